import { connect } from 'node:net';
import { once } from 'node:events';
import test from 'ava';
import fc from 'fast-check';
import { type HeldBytes, PushBudget } from '../../../controller/adapters/flow-push/push-budget.ts';
import { ProducerPositions } from '../../../controller/adapters/flow-push/producer-positions.ts';
import { PushRefusal } from '../../../controller/adapters/flow-push/push-refusal.ts';
import {
  lineHeaders,
  linesOf,
  numbered,
  ObstructedStore,
  pushedFlow,
  type PushReply,
  pushTo,
  PushWorld,
} from '../../support/push-world.ts';
import { eventually } from '../../support/recording-sink.ts';

const queueBytes = 400_000;
/** About 50 KB. */
const batch = linesOf(...Array.from({ length: 250 }, (_, i) => pushedFlow({ port: 1 + i })));

test('one who floods the endpoint is refused with 429 while others get through, and nothing grows without limit', async (t) => {
  const store = new ObstructedStore();
  store.hold();
  const made = await PushWorld.running({ store, limits: { queueBytes } });
  const flood = Array.from({ length: 60 }, () => made.push(batch));
  const others = Array.from({ length: 4 }, (_, i) => made.push(linesOf(pushedFlow()), numbered(`n${i}/boot`, 1)));
  let mostHeld = 0;
  const watching = setInterval(() => (mostHeld = Math.max(mostHeld, made.endpoint.heldBytes)), 1);
  const refused: PushReply[] = [];
  for (const one of flood) void one.then((reply) => reply.status === 429 && refused.push(reply));
  await eventually(() => refused.length >= 50, 'most of the flood was refused');
  store.release();
  t.deepEqual(
    (await Promise.all(others)).map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const answers = await Promise.all(flood);
  clearInterval(watching);
  const taken = answers.filter(({ status }) => status === 200).length;
  t.true(taken >= 1 && taken <= queueBytes / 2 / batch.length + 1, `${taken} batches of the flood were taken`);
  t.is(taken + refused.length, flood.length, 'every request was answered, one way or the other');
  for (const { headers, body } of refused) t.deepEqual([headers['retry-after'], body.code], ['2', 'QueueFull']);
  t.is(made.refused.get('QueueFull'), refused.length);
  t.true(mostHeld > 0 && mostHeld <= queueBytes, `${mostHeld} bytes were held`);
  t.is(made.endpoint.heldBytes, 0);
  t.is((await made.push(batch)).status, 200, 'who was refused may come again');
  await made.stop();
});

test('whoever takes of the queue leaves as much free as it then holds, so that whoever holds nothing has room', (t) => {
  const step = fc.record({ share: fc.constantFrom('a', 'b', 'c', 'd'), bytes: fc.nat(60_000), release: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const budget = new PushBudget(queueBytes);
      const held: { readonly share: string; readonly bytes: HeldBytes; grown: number }[] = [];
      for (const { share, bytes, release } of steps) {
        if (release) held.shift()?.bytes.release();
        try {
          const one = { share, bytes: budget.hold(share), grown: 0 };
          held.push(one);
          one.bytes.grow(bytes);
          one.grown = bytes;
        } catch (error) {
          if (!(error instanceof PushRefusal)) throw error;
          continue;
        }
        const own = held.filter((one) => one.share === share).reduce((sum, { grown }) => sum + grown, 0);
        if (own > queueBytes - budget.heldBytes) return false;
      }
      for (const { bytes } of held) bytes.release();
      return budget.heldBytes === 0;
    }),
  );
  const budget = new PushBudget(queueBytes);
  for (const share of ['a', 'b', 'c']) {
    t.throws(() => {
      for (;;) budget.hold(share);
    });
  }
  t.notThrows(() => budget.hold('d').grow(10_000));
});

test('clients that send nothing, or too slowly, are let go of while others are served', async (t) => {
  const limits = { headersMs: 300, requestMs: 600, connectionsPerAddress: 50 };
  const made = await PushWorld.running({ limits });
  const { port = 0 } = made.endpoint;
  const open = (text: string) => {
    const socket = connect(port, '127.0.0.1');
    // what it is told before it is let go of
    socket.resume().write(text);
    return once(socket, 'close');
  };
  const head = 'POST /v1/flows HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-ndjson\r\n';
  const slow = [
    ...Array.from({ length: 10 }, () => open('')),
    ...Array.from({ length: 10 }, () => open(head)),
    ...Array.from({ length: 10 }, () => open(`${head}content-length: 1000\r\n\r\n{"nanoseg"`)),
  ];
  t.is((await made.push(linesOf(pushedFlow()))).status, 200);
  await Promise.all(slow);
  await eventually(() => made.endpoint.heldBytes === 0, 'what they began is let go of');
  t.is((await made.push(linesOf(pushedFlow()))).status, 200);
  await made.stop();
});

test('one address may not take all connections', async (t) => {
  const made = await PushWorld.running({ limits: { connectionsPerAddress: 5 } });
  const { port = 0 } = made.endpoint;
  const sockets = Array.from({ length: 12 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  await eventually(() => made.figures.turnedAway === 7, 'those that are too many are turned away');
  const elsewhere = { host: '127.0.0.1', port, localAddress: '127.0.0.2', headers: lineHeaders };
  t.is((await pushTo({ ...elsewhere, body: linesOf(pushedFlow()) })).status, 200);
  for (const socket of sockets) socket.destroy();
  await made.stop();
});

test('a producer that is not heard of for a week is forgotten, and so are the longest unheard of very many', (t) => {
  const dayMs = 24 * 3_600_000;
  const stored = new Map([
    ['old/a', `7 ${dayMs}`],
    ['new/a', `9 ${8 * dayMs}`],
    ['broken/a', 'x'],
  ]);
  const positions = new ProducerPositions(stored);
  t.is(positions.savedSequence('old/a'), 7);
  t.deepEqual(positions.forget(8.5 * dayMs), ['old/a']);
  t.deepEqual(
    ['old/a', 'new/a', 'broken/a'].map((name) => positions.savedSequence(name)),
    [0, 9, 0],
  );
  for (let i = 0; i < 20_010; i++) positions.saved(`n${i}/a`, 1, 8.5 * dayMs);
  const forgotten = positions.forget(8.5 * dayMs);
  t.deepEqual([forgotten.length, forgotten[0]], [11, 'new/a']);
});
