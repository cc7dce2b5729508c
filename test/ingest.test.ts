import test from 'ava';
import { TrafficGraph } from '../controller/graph/traffic-graph.ts';
import { type Attributor, ingest, type IngestProgress } from '../controller/ingest.ts';
import { unnamedPeer } from '../controller/model/flow.ts';
import type { FlowBatch, FlowSource } from '../controller/ports.ts';
import { minuteMs, peer, sighting } from './support/sightings.ts';
import { flow as plainFlow } from './support/flows.ts';

const flow = plainFlow({ client: unnamedPeer, server: unnamedPeer, answered: undefined, source: 'hubble' });

function batch(parts: Partial<FlowBatch>): FlowBatch {
  const { flows = [], losses = [], rejected = [], skipped = 0 } = parts;
  return { flows, losses, rejected, skipped, records: flows.length + losses.length + rejected.length + skipped };
}

function source(name: string, ...batches: readonly FlowBatch[]): FlowSource {
  return {
    name,
    progress: () => ({ doneBytes: 10, totalBytes: name === 'endless' ? undefined : 20 }),
    async *batches(signal) {
      for (const next of batches) {
        signal.throwIfAborted();
        yield next;
      }
    },
  };
}

/** Everybody is web calling cart; port 1 has a client that nobody owns. */
const attributor: Attributor = {
  counters: { contradictions: 2 },
  attribute: ({ port }) =>
    port === 1
      ? sighting({ client: peer({ kind: 'unknown', reason: 'no-owner', address: '10.0.0.9' }, 0) })
      : sighting({ port }),
};

const rejected = (line: number, reason = 'no time') => ({ where: `flows.json:${line}`, reason });

async function read(
  sources: readonly FlowSource[],
  options: { strict?: boolean; onProgress?: (progress: IngestProgress) => void } = {},
) {
  const graph = new TrafficGraph({ binMs: 5 * minuteMs });
  const summary = await ingest(sources, attributor, graph, { signal: new AbortController().signal, ...options });
  return { graph, summary };
}

test('every record of every source is accounted for', async (t) => {
  const { graph, summary } = await read([
    source('a', batch({ flows: [flow, { ...flow, port: 1 }], skipped: 3 }), batch({ rejected: [rejected(6)] })),
    source('b', batch({ flows: [flow], losses: [{ ...flow, kind: 'lost', events: 4 }] })),
  ]);
  t.like(summary, { records: 8, flows: 3, skipped: 3, rejected: 1, losses: 1, contradictions: 2, stopped: false });
  t.deepEqual(
    summary.sources.map(({ source: name, records }) => [name, records]),
    [
      ['a', 6],
      ['b', 2],
    ],
  );
  t.deepEqual(summary.unattributed, [{ reason: 'no-owner', flows: 1 }]);
  t.is(graph.size, 2);
  t.like(graph.observation(), { flows: [{ node: 'n1', flows: 3 }], losses: [{ periods: [{ lost: 4 }] }] });
});

test('the first bad records are located, and all are counted by reason', async (t) => {
  const many = Array.from({ length: 50 }, (_, i) => rejected(i + 1, i % 10 === 0 ? 'no address' : 'no time'));
  const { summary } = await read([source('a', batch({ rejected: many }))]);
  t.is(summary.rejected, 50);
  t.is(summary.rejections.length, 20);
  t.deepEqual(summary.rejections[0], rejected(1, 'no address'));
  t.deepEqual(summary.rejectionReasons, [
    { reason: 'no time', records: 45 },
    { reason: 'no address', records: 5 },
  ]);
});

test('reasons without end do not fill the memory', async (t) => {
  const many = Array.from({ length: 500 }, (_, i) => rejected(i, `bad value ${i}`));
  const { summary } = await read([source('a', batch({ rejected: many }))]);
  t.is(summary.rejectionReasons.length, 101);
  t.deepEqual(summary.rejectionReasons[0], { reason: 'other reasons', records: 400 });
});

test('strict reading stops at the first bad record and says which', async (t) => {
  const { summary } = await read(
    [
      source('a', batch({ flows: [flow] }), batch({ rejected: [rejected(2), rejected(3)] }), batch({ flows: [flow] })),
      source('b', batch({ flows: [flow] })),
    ],
    { strict: true },
  );
  t.true(summary.stopped);
  t.deepEqual(summary.rejections, [rejected(2)]);
  t.is(summary.flows, 1);
  t.is(summary.sources.length, 1);
});

test('progress adds up over the sources and knows when it knows no total', async (t) => {
  const seen: IngestProgress[] = [];
  const onProgress = (progress: IngestProgress) => void seen.push(progress);
  await read([source('a', batch({ flows: [flow] })), source('b', batch({ flows: [flow, flow] }))], { onProgress });
  t.deepEqual(seen.at(-1), { source: 'b', records: 3, doneBytes: 20, totalBytes: 40 });
  await read([source('endless', batch({ flows: [flow] }))], { onProgress });
  t.is(seen.at(-1)?.totalBytes, undefined);
});

test('an aborted reading rejects', async (t) => {
  const graph = new TrafficGraph({ binMs: 5 * minuteMs });
  const signal = AbortSignal.abort(new Error('enough'));
  await t.throwsAsync(ingest([source('a', batch({ flows: [flow] }))], attributor, graph, { signal }), {
    message: 'enough',
  });
});
