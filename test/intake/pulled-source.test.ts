import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { AppendedBatch } from '../../controller/adapters/redis/flow-appender.ts';
import { SourceOutbox } from '../../controller/adapters/redis/source-outbox.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { FlowSource } from '../../controller/ports.ts';
import { pullSource } from '../../controller/intake/pulled-source.ts';
import { SourceFigures } from '../../controller/intake/source-figures.ts';
import { flow } from '../support/flows.ts';
import { openLink } from '../support/redis-link.ts';
import { RedisServer, untilTrue } from '../support/redis-server.ts';
import { redisTest } from '../support/redis-test.ts';

const name = 'numbers';
const last = 60;

/** Delivers 1, 2, 3, … each as a flow to the port of that number, and goes on after a position. */
function numbers(position: string | undefined): FlowSource {
  return {
    name,
    progress: () => ({ doneBytes: 0, totalBytes: undefined }),
    async *batches(signal) {
      for (let next = Number(position ?? 0) + 1; !signal.aborted; next++) {
        if (next > last) await sleep(10_000, undefined, { signal }).catch(() => undefined);
        else await sleep(2);
        if (signal.aborted) return;
        const flows = [flow({ port: next })];
        yield { flows, losses: [], rejected: [], records: 1, skipped: 0, position: `${next}` };
      }
    },
  };
}

/** What has passed, each number of a producer once, as the shards see it. */
class Passed {
  readonly #batches = new Map<string, number>();

  take({ producer, number, flows }: AppendedBatch): void {
    const key = `${producer} ${number}`;
    const port = flows[0]?.port ?? 0;
    if ((this.#batches.get(key) ?? port) !== port) throw new Error(`${key} was given to two batches`);
    this.#batches.set(key, port);
  }

  get ports(): readonly number[] {
    return [...this.#batches.values()].sort((a, b) => a - b);
  }
}

async function opened(t: ExecutionContext) {
  const server = await RedisServer.start();
  t.teardown(() => server.stop());
  return server;
}

redisTest('whoever reads a source may die at any step: each batch is counted once', async (t) => {
  const server = await opened(t);
  const passed = new Passed();
  const stop = new AbortController();
  const ended: Promise<void>[] = [];
  const read = async (diesAfter: number) => {
    const link = await openLink(server.url);
    const gone = new AbortController();
    let steps = 0;
    // nothing that a dead process does comes through: neither batches nor the release of its right
    const step = () => {
      if (++steps < diesAfter) return;
      link.close();
      gone.abort();
      throw gone.signal.reason;
    };
    const signal = AbortSignal.any([stop.signal, gone.signal]);
    const append = async (batch: AppendedBatch) => {
      step();
      passed.take(batch);
      step();
    };
    const options = { link, shards: { name: 'pulled', count: 1 }, source: name, who: `${diesAfter}`, leaseMs: 300 };
    const pulled = pullSource(
      {
        name,
        open: numbers,
        claim: () => SourceOutbox.claim(options),
        appender: { append },
        figures: new SourceFigures(),
        clock: systemClock,
        random: Math.random,
        renewMs: 100,
      },
      signal,
    );
    ended.push(pulled.catch(() => undefined).finally(() => link.close()));
    await Promise.race([ended.at(-1), sleep(5_000, undefined, { signal: stop.signal }).catch(() => undefined)]);
  };
  // each dies before or after a batch came through; the next one waits until its right has ended
  for (const diesAfter of [3, 8, 1, 14, 2]) await read(diesAfter);
  void read(Number.POSITIVE_INFINITY);
  await untilTrue(async () => passed.ports.at(-1) === last, 'all of it came through');
  stop.abort();
  await Promise.all(ended);
  t.deepEqual(
    passed.ports,
    Array.from({ length: last }, (_, i) => i + 1),
  );
});
