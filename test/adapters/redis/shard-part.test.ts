import test from 'ava';
import fc from 'fast-check';
import { decodePart, encodePart } from '../../../controller/adapters/redis/shard-part.ts';
import { shardOf } from '../../../controller/adapters/redis/shard-of-flow.ts';
import type { ObservedTime } from '../../../controller/model/flow.ts';
import { anyFlow, anyLoss, flow } from '../../support/flows.ts';

test('what was put into an entry comes out of it', (t) => {
  fc.assert(
    fc.property(fc.array(anyFlow), fc.array(anyLoss), fc.array(fc.string({ minLength: 1 })), (flows, losses, nodes) => {
      t.deepEqual(decodePart(encodePart({ flows, losses })), { flows, losses });
      if (nodes.length === 0) return;
      const observed = nodes.map((node, i): ObservedTime => ({ source: 'conntrack', node, fromMs: i, toMs: 2 * i }));
      t.deepEqual(decodePart(encodePart({ flows, losses, observed })), { flows, losses, observed });
    }),
  );
});

test('addresses come back in the spelling in which they came', (t) => {
  const odd = [
    '0.0.0.0',
    '255.255.255.255',
    '128.0.0.1',
    '010.0.0.1',
    '10.0.0.256',
    '10.0.0',
    '1.2.3.4.5',
    '10..0.1',
    '.1.2.3',
  ];
  const anyText = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string(),
    fc.constantFrom(...odd, '', '4294967295', '{', '1e3.2.3.4'),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(anyText, anyText)), (pairs) => {
      const flows = pairs.map(([client, server]) => flow({ client, server }));
      t.deepEqual(decodePart(encodePart({ flows, losses: [] })).flows, flows);
    }),
  );
});

test('flows of one peer name it once', (t) => {
  const one = flow({ port: 1 });
  const flows = Array.from({ length: 100 }, (_, i) => ({ ...one, port: i }));
  const length = encodePart({ flows, losses: [] }).length;
  t.true(length < 100 * 50, `${length}`);
  const [first, second] = decodePart(encodePart({ flows, losses: [] })).flows;
  t.is(first?.client, second?.client);
});

test('an entry that is damaged is told from one that is not', (t) => {
  const text = encodePart({ flows: [flow()], losses: [] });
  t.throws(() => decodePart(text.slice(0, -1)));
  t.throws(() => decodePart('[[],[],0,[0,0,0,0,1,1,6,1,1,0,0,0],[],[]]'));
});

test('the reports of one connection come to one shard, and flows spread over all', (t) => {
  fc.assert(
    fc.property(anyFlow, fc.integer({ min: 1, max: 64 }), (one, count) => {
      const shard = shardOf(one, count);
      t.true(Number.isInteger(shard) && shard >= 0 && shard < count);
      const other = { ...one, node: 'other', timeMs: one.timeMs + 1, bytes: 7, clientPort: 1, client: one.client };
      t.is(shardOf(other, count), shard);
      if (!one.directed) t.is(shardOf({ ...one, client: one.server, server: one.client }, count), shard);
    }),
  );
  const shards = new Set<number>();
  for (let i = 0; i < 400; i++) shards.add(shardOf(flow({ server: `10.0.${i >> 8}.${i & 255}` }), 16));
  t.is(shards.size, 16);
});
