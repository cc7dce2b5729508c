import type { ExecutionContext } from 'ava';
import test from 'ava';
import { goldmaneSource } from '../../../controller/adapters/goldmane/goldmane-source.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import type { Clock } from '../../../controller/ports.ts';
import { Reading } from '../../contract/flow-source.ts';
import type { GoldmaneResult } from '../../support/goldmane-server.ts';
import { GoldmaneWorld, resultOf } from '../../support/goldmane-world.ts';
import { eventually } from '../../support/recording-sink.ts';
import { TestAuthority } from '../../support/test-certificates.ts';

type Options = Parameters<typeof GoldmaneWorld.open>[0];

async function opened(t: ExecutionContext, options?: Options): Promise<GoldmaneWorld> {
  const world = await GoldmaneWorld.open(options);
  t.teardown(() => world.close());
  return world;
}

/** Time that goes so many times as fast. */
function fastClock(factor: number): Clock {
  const startMs = Date.now();
  return {
    now: () => startMs + (Date.now() - startMs) * factor,
    sleep: (ms, signal) => systemClock.sleep(ms / factor, signal),
  };
}

async function reading(world: GoldmaneWorld, position?: string): Promise<Reading> {
  const before = Reading.start(world.source(position));
  await before.connected({ readers: () => world.server.readers });
  return before;
}

const read = (count: number) => (now: Reading) => now.flows.length >= count;

test('buckets that the stream left out are listed when the next one comes, and quiet ones cost one look', async (t) => {
  const world = await opened(t);
  const live = await reading(world);
  const played = world.play(2);
  await live.until(read(2));
  played.push(...world.play(600, { isStreamed: false }), ...world.play(1, { isStreamed: false }), ...world.play(1));
  await live.until(read(604));
  const looks = world.server.lists.length;
  world.server.pass(200);
  played.push(...world.play(1));
  await live.until(read(605));
  await live.stop();
  t.deepEqual(live.flows, played);
  t.deepEqual(live.losses, []);
  t.is(world.server.lists.length, looks + 1);
});

test('where a stream does not begin in the past, what was missed is listed', async (t) => {
  const world = await opened(t, { replays: false });
  const before = await reading(world);
  const played = world.play(3);
  await before.until(read(3));
  await before.stop();
  await eventually(() => world.server.readers === 0, 'the connection ended');
  played.push(...world.play(3), ...world.play(3));
  const after = await reading(world, before.position);
  played.push(...world.play(3));
  await after.until(read(9));
  await after.stop();
  t.deepEqual([...before.flows, ...after.flows], played);
  t.deepEqual(after.losses, []);
});

test('a stream that is stuck is noticed by its silence: what it held back arrives, and another connection is made', async (t) => {
  const world = await opened(t, { clock: fastClock(300) });
  const live = await reading(world);
  const played = world.play(2);
  await live.until(read(2));
  played.push(...world.play(2, { isStreamed: false }), ...world.play(2, { isStreamed: false }));
  const failure = await live.failure();
  t.regex(failure.message, /nothing came over its stream although it had flows; connecting anew$/);
  t.deepEqual(live.flows, played);
});

test('silence is quiet as long as there are no flows', async (t) => {
  const world = await opened(t, { clock: fastClock(1_000) });
  const live = await reading(world);
  world.play(1);
  await live.until(read(1));
  await eventually(() => world.server.lists.length >= 3, 'it looked three times');
  await live.stop();
  t.deepEqual([live.flows.length, live.losses], [1, []]);
});

test('a Goldmane that was restarted has forgotten, which is a loss of every node, told once', async (t) => {
  const world = await opened(t);
  const source = world.source();
  const before = Reading.start(source);
  await before.connected({ readers: () => world.server.readers });
  const [first] = world.play(1);
  await before.until(read(1));
  await world.server.restart();
  t.regex((await before.failure()).message, /^Goldmane at 127\.0\.0\.1:\d+: /);
  // two connections in which nothing happens
  for (let i = 0; i < 2; i++) {
    const quiet = Reading.start(source);
    await quiet.connected({ readers: () => world.server.readers });
    await quiet.stop();
    await eventually(() => world.server.readers === 0, 'the connection ended');
    t.deepEqual(
      quiet.losses,
      i === 0 ? [{ timeMs: first?.timeMs, source: 'goldmane', node: '', events: undefined, kind: 'unavailable' }] : [],
    );
  }
  const after = Reading.start(source);
  await after.connected({ readers: () => world.server.readers });
  const played = world.play(3);
  await after.until(read(3));
  await after.stop();
  t.deepEqual([after.flows, after.losses], [played, []]);
});

test('what is older than the server keeps is a loss, and what it still has is read', async (t) => {
  const world = await opened(t);
  const before = await reading(world);
  world.play(1);
  await before.until(read(1));
  await before.stop();
  await world.server.restart();
  const kept = world.play(2);
  const after = await reading(world, before.position);
  const live = world.play(1);
  await after.until(read(3));
  await after.stop();
  t.is(after.losses.length, 1);
  t.deepEqual(after.flows, [...kept, ...live]);
});

test('a clock that was an hour ahead and is set right stops nothing', async (t) => {
  const world = await opened(t);
  const before = await reading(world);
  const ahead = world.play(1);
  await before.until(read(1));
  await before.stop();
  const startS = (ahead[0]?.timeMs ?? 0) / 1_000;
  await world.server.restart({ atS: startS - 3_600 });
  const after = await reading(world, before.position);
  const played = [...world.play(2), ...world.play(2)];
  await after.until(read(4));
  await after.stop();
  t.deepEqual(after.flows, played);
  t.is(after.losses.length, 1);
  const last = await reading(world, after.position);
  played.push(...world.play(2));
  await last.until(read(2));
  await last.stop();
  t.deepEqual([...after.flows, ...last.flows], played);
  t.deepEqual(last.losses, []);
});

test('a restart of ours in the middle of a bucket counts no connection twice', async (t) => {
  const world = await opened(t);
  const live = await reading(world);
  const result = resultOf(1);
  const reports: readonly GoldmaneResult[] = [result, { ...result, reporter: 2, packetsIn: 4, packetsOut: 3 }];
  world.server.bucket(reports);
  await live.until(read(2));
  await live.stop();
  const [first, second] = live.flows;
  t.deepEqual([first?.connections, second?.connections], [2, 0]);
  const position = JSON.parse(live.position ?? '') as { delivered: string[] };
  t.is(position.delivered.length, 2);
  // whichever report was delivered, the other one counts nothing
  for (const delivered of position.delivered) {
    const resumed = await reading(world, JSON.stringify({ ...position, delivered: [delivered] }));
    await resumed.until(read(1));
    await resumed.stop();
    t.deepEqual(
      resumed.flows.map(({ connections, bytes }) => [connections, bytes]),
      [[0, 0]],
    );
    await eventually(() => world.server.readers === 0, 'the connection ended');
  }
});

test('a position that is none begins with what is new', async (t) => {
  const world = await opened(t);
  world.play(1);
  for (const position of ['', 'offset 3', '{"bucketS":-1}']) {
    const live = await reading(world, position);
    const played = world.play(1);
    await live.until(read(1));
    await live.stop();
    await eventually(() => world.server.readers === 0, 'the connection ended');
    t.deepEqual(live.flows, played);
  }
});

test('a client certificate that is missing, expired or of another authority is said, and one that was renewed is used', async (t) => {
  const world = await opened(t);
  const { ca } = world.files.paths;
  const stranger = await TestAuthority.create('stranger');
  const without = goldmaneSource({ address: world.address, tls: { ca }, clock: systemClock });
  const source = world.source();
  const failures = [await Reading.start(without).failure()];
  for (const certificate of [await world.authority.issue(['nanoseg'], -60_000), await stranger.issue(['nanoseg'])]) {
    world.show(certificate);
    failures.push(await Reading.start(source).failure());
  }
  for (const { message, ...error } of failures) {
    t.true(message.startsWith(`Goldmane at ${world.address}: `), message);
    t.regex(message, /certificate/);
    t.not((error as { retryable?: boolean }).retryable, false);
  }
  world.show(await world.authority.issue(['nanoseg']));
  const renewed = Reading.start(source);
  await renewed.connected({ readers: () => world.server.readers });
  const played = world.play(1);
  await renewed.until(read(1));
  await renewed.stop();
  t.deepEqual(renewed.flows, played);
});

test('a name in the certificate that is not that of the address is believed where it was given', async (t) => {
  const world = await opened(t);
  const address = world.address.replace('127.0.0.1', 'localhost');
  const wrong = goldmaneSource({ address, tls: world.files.paths, clock: systemClock });
  t.regex((await Reading.start(wrong).failure()).message, /its certificate is for other names/);
  const right = goldmaneSource({ address, tls: { ...world.files.paths, serverName: 'goldmane' }, clock: systemClock });
  const live = Reading.start(right);
  await live.connected({ readers: () => world.server.readers });
  const played = world.play(1);
  await live.until(read(1));
  await live.stop();
  t.deepEqual(live.flows, played);
});

test('an address that is none is final', async (t) => {
  const failure = await Reading.start(goldmaneSource({ address: 'goldmane', clock: systemClock })).failure();
  t.regex(failure.message, /host and port/);
  t.is((failure as { retryable?: boolean }).retryable, false);
});

test('a record that is wrong in one field is rejected with the reason, and the others arrive', async (t) => {
  const world = await opened(t);
  const live = await reading(world);
  const result = resultOf(1);
  world.server.bucket([
    { ...result, port: 70_000 },
    { ...result, proto: 'teleport' },
    { ...result, bytesIn: 2 ** 53, bytesOut: 2 ** 53 },
    { ...result, source: { ...result.source, labels: Array.from({ length: 300 }, (_, i) => `l${i}=x`) } },
    { ...result, action: 3 },
    result,
  ]);
  await live.until(read(1));
  await live.stop();
  t.is(live.records, 6);
  t.deepEqual(
    live.rejected.map(({ reason }) => reason),
    [
      'dest_port: expected a port from 0 to 65535, got 70000',
      'proto: expected a protocol, got "teleport"',
      'bytes: too large: 18014398509481984',
      'source_labels: 300 entries, more than 256 (limit: labels per endpoint)',
    ],
  );
  t.regex(live.rejected[0]?.where ?? '', /^Goldmane at 127\.0\.0\.1:\d+:1$/);
});
