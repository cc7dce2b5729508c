import { readFile, stat, writeFile } from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { encodeLoss, encodeObserved } from '../../../controller/adapters/flow-file/nanoseg-line.ts';
import { readPushedLines } from '../../../controller/adapters/flow-push/pushed-lines.ts';
import { ConnectionFileError } from '../../../controller/adapters/sqlite/connection-file-error.ts';
import { MemoryConnectionStore } from '../../../controller/adapters/memory/memory-connection-store.ts';
import { ControllerProblem } from '../../../controller/backend.ts';
import { unnamedPeer } from '../../../controller/model/flow.ts';
import { problem } from '../../../controller/model/problem.ts';
import {
  linesOf,
  lineHeaders,
  numbered,
  ObstructedStore,
  pushedFlow,
  pushTo,
  PushWorld,
  type PushWorldOptions,
} from '../../support/push-world.ts';
import { eventually } from '../../support/recording-sink.ts';
import { minuteMs } from '../../support/sightings.ts';

async function world(t: ExecutionContext, options: PushWorldOptions = {}): Promise<PushWorld> {
  const made = await PushWorld.running(options);
  t.teardown(() => made.stop());
  return made;
}

const oneFlow = () => linesOf(pushedFlow());

test('a batch is answered when it is saved, and not before', async (t) => {
  const store = new ObstructedStore();
  store.hold();
  const made = await world(t, { store });
  let answered = false;
  const answer = made.push(linesOf(pushedFlow(), pushedFlow({ port: 9090 })), numbered('n1/boot', 1));
  void answer.then(() => (answered = true));
  await eventually(() => made.graph.size === 2, 'it was counted');
  await delay(600);
  t.false(answered);
  store.release();
  const { status, body } = await answer;
  t.deepEqual([status, body], [200, { accepted: 2, rejected: [] }]);
  t.deepEqual([...(await store.load()).positions.keys()], ['push endpoint/n1/boot']);
  t.is([...(await store.load()).evidence].flatMap(({ connections }) => connections).length, 2);
});

test('many who push at the same time share a save', async (t) => {
  const store = new ObstructedStore();
  const made = await world(t, { store });
  const pushes = Array.from({ length: 30 }, (_, i) => made.pushZipped(oneFlow(), numbered(`n${i}/boot`, 1)));
  t.true((await Promise.all(pushes)).every(({ status }) => status === 200));
  t.true(store.saves < 10, `${store.saves} saves`);
  t.deepEqual(made.seen(), ['web>cart:TCP/8080 30']);
});

test('a batch that comes again is answered and not counted again, also by the next controller', async (t) => {
  const store = new MemoryConnectionStore();
  const first = await PushWorld.running({ store });
  const send = (to: PushWorld, sequence: number, producer = 'n1/a') =>
    to.push(linesOf(pushedFlow({ port: 8000 + sequence })), numbered(producer, sequence));
  t.is((await send(first, 1)).body.accepted, 1);
  t.deepEqual((await send(first, 1)).body, { accepted: 0, rejected: [], repeated: true });
  // a sender may have dropped what came before
  t.is((await send(first, 5)).body.accepted, 1);
  await first.stop();

  const second = await world(t, { store });
  t.deepEqual((await send(second, 5)).body, { accepted: 0, rejected: [], repeated: true });
  t.is((await send(second, 6)).body.accepted, 1);
  t.is((await send(second, 1, 'n2/a')).body.accepted, 1, 'numbers are those of one producer');
  t.is(second.figures.repeated, 1);
});

test('of one producer a batch waits until the one before it is saved; the same one again gets its answer', async (t) => {
  const store = new ObstructedStore();
  store.hold();
  const made = await world(t, { store });
  const first = made.push(oneFlow(), numbered('n1/a', 1));
  await eventually(() => made.graph.size === 1, 'it was counted');
  const again = made.push(oneFlow(), numbered('n1/a', 1));
  const next = await made.push(oneFlow(), numbered('n1/a', 2));
  t.deepEqual([next.status, next.body.code, next.headers['retry-after']], [429, 'OneAtATime', '1']);
  store.release();
  t.deepEqual((await again).body, (await first).body);
  t.deepEqual(made.seen(), ['web>cart:TCP/8080 1']);
});

test('what cannot be used is named line by line, and the rest is taken', async (t) => {
  const made = await world(t);
  const loss = encodeLoss({ timeMs: Date.now(), source: 'conntrack', node: 'n1', events: 3, kind: 'lost' });
  const lines = [linesOf(pushedFlow()).trim(), '', '{"nanoseg":"flow/v2"}', 'no JSON', loss, '\ufffd'];
  const body = Buffer.concat([Buffer.from(`${lines.slice(0, 5).join('\r\n')}\n`), Buffer.from([0xff, 0x0a])]);
  const reply = await made.push(body);
  t.is(reply.status, 200);
  t.is(reply.body.accepted, 2);
  t.deepEqual(
    reply.body.rejected.map(({ where }: { where: string }) => where),
    ['line 3', 'line 4', 'line 6'],
  );
  t.regex(reply.body.rejected[2].reason, /UTF-8/);
  t.deepEqual(made.ingest.counters.losses, 1);

  const many = await made.push(`${oneFlow()}${'{}\n'.repeat(150)}`);
  t.is(many.body.rejected.length, 100);
  t.is(many.body.moreRejected, 50);
});

test('an empty batch is a batch', async (t) => {
  const made = await world(t);
  t.deepEqual((await made.push('', numbered('n1/a', 1))).body, { accepted: 0, rejected: [] });
  t.true((await made.push('', numbered('n1/a', 1))).body.repeated);
});

const small = { bodyBytes: 20_000, decodedBytes: 60_000, records: 50 };
const refusals: readonly [what: string, status: number, code: string, body: string | Uint8Array, headers?: object][] = [
  ['another type', 415, 'UnsupportedMediaType', oneFlow(), { 'content-type': 'text/plain' }],
  ['another compression', 415, 'UnsupportedMediaType', oneFlow(), { 'content-encoding': 'br' }],
  ['no line that can be read', 400, 'Malformed', 'hello\nworld\n'],
  ['what is no gzip', 400, 'Malformed', oneFlow(), { 'content-encoding': 'gzip' }],
  ['gzip that ends early', 400, 'Malformed', gzipSync(oneFlow()).subarray(0, 60), { 'content-encoding': 'gzip' }],
  ['a body that says that it is too large', 413, 'TooLarge', 'x'.repeat(20_001)],
  ['a body that turns out too large', 413, 'TooLarge', 'x'.repeat(30_000), { 'transfer-encoding': 'chunked' }],
  ['a bomb', 413, 'TooLarge', gzipSync(Buffer.alloc(50_000_000)), { 'content-encoding': 'gzip' }],
  ['too many lines', 413, 'TooLarge', '{}\n'.repeat(51)],
  ['a number without a producer', 400, 'Malformed', oneFlow(), { 'nanoseg-sequence': '1' }],
  ['a producer without a number', 400, 'Malformed', oneFlow(), { 'nanoseg-producer': 'n1/a' }],
  ['number 0', 400, 'Malformed', oneFlow(), numbered('n1/a', 0)],
  ['a web page', 403, 'NotPermitted', oneFlow(), { origin: 'https://example.com' }],
];

for (const [what, status, code, body, headers = {}] of refusals) {
  test(`${what} is answered ${status}, and leaves no trace`, async (t) => {
    const made = await world(t, { limits: small });
    const reply = await made.push(body, headers as Record<string, string>);
    t.deepEqual([reply.status, reply.body.code], [status, code]);
    t.true(reply.body.message.length > 10);
    t.is(reply.headers['retry-after'], undefined, 'it would be refused again');
    t.deepEqual([made.endpoint.heldBytes, made.graph.size], [0, 0]);
    t.deepEqual([...made.refused], [[code, 1]]);
    t.is((await made.push(oneFlow())).status, 200);
  });
}

test('other paths and methods are told what is here', async (t) => {
  const made = await world(t);
  const { port = 0 } = made.endpoint;
  const other = await made.push(oneFlow(), {}, '/v1/traces');
  t.is(other.status, 404);
  t.regex(other.body.message, /\/v1\/flows or \/v1\/metrics/);
  const get = await pushTo({ host: '127.0.0.1', port, method: 'GET' });
  t.deepEqual([get.status, get.headers['allow']], [405, 'POST']);
});

test('who is refused while still sending can read why', async (t) => {
  const made = await world(t, { limits: { bodyBytes: 1_000 } });
  for (const headers of [{}, { 'content-encoding': 'gzip' }]) {
    const reply = await made.push(Buffer.alloc(3_000_000, 'x'), { 'transfer-encoding': 'chunked', ...headers });
    t.true(reply.status === 413 || reply.status === 400, String(reply.status));
  }
});

test('before the controller is ready, and when it ends, senders are asked for patience', async (t) => {
  const made = await PushWorld.open();
  const early = await made.push(oneFlow());
  t.deepEqual([early.status, early.body.code, early.headers['retry-after']], [503, 'NotReady', '2']);
  await made.run();
  t.is((await made.push(oneFlow())).status, 200);
  await made.stop();
  await t.throwsAsync(made.push(oneFlow()), { code: 'ECONNREFUSED' });
});

test('what is under way when the controller ends is saved and answered', async (t) => {
  const store = new ObstructedStore();
  store.hold();
  const made = await PushWorld.running({ store });
  const counted = made.push(oneFlow(), numbered('n1/a', 1));
  await eventually(() => made.graph.size === 1, 'the first was counted');
  // this one is still being sent
  const { port = 0 } = made.endpoint;
  const slow = pushSlowly(port, linesOf(pushedFlow({ port: 9090 })), 400);
  await delay(100);
  const stopped = made.stop();
  await delay(50);
  store.release();
  t.is((await counted).status, 200);
  t.is((await slow).status, 200);
  await stopped;
  t.is([...(await store.load()).evidence].flatMap(({ connections }) => connections).length, 2);
});

/** Half of the body, and the rest after a while. */
async function pushSlowly(port: number, body: string, ms: number): Promise<Response> {
  const encoder = new TextEncoder();
  const half = Math.floor(body.length / 2);
  const parts = new ReadableStream({
    async start(controller) {
      controller.enqueue(encoder.encode(body.slice(0, half)));
      await delay(ms);
      controller.enqueue(encoder.encode(body.slice(half)));
      controller.close();
    },
  });
  const request = { method: 'POST', headers: lineHeaders, body: parts, duplex: 'half' } as RequestInit;
  return fetch(`http://127.0.0.1:${port}/v1/flows`, request);
}

test('a store that fails is waited for; the same batch again is counted once', async (t) => {
  const store = new ObstructedStore();
  const made = await world(t, { store, limits: { answerMs: 600 }, flushMs: 400 });
  store.failure = new ConnectionFileError(problem('EvidenceUnreadable', 'the disk is full', 'x'), { retryable: true });
  const first = await made.push(oneFlow(), numbered('n1/a', 1));
  t.deepEqual([first.status, first.body.code, first.headers['retry-after']], [503, 'NotSaved', '5']);
  store.failure = undefined;
  let reply = first;
  for (let tries = 0; reply.status === 503 && tries < 20; tries++)
    reply = await made.push(oneFlow(), numbered('n1/a', 1));
  t.is(reply.status, 200);
  t.deepEqual(made.seen(), ['web>cart:TCP/8080 1']);
  t.is(made.endpoint.heldBytes, 0);
});

test('flows that come late are taken, and flows of the future are not: their time is missing from their node alone', async (t) => {
  const made = await world(t);
  const nowMs = Date.now();
  const late = pushedFlow({ timeMs: nowMs - 180 * minuteMs, port: 7001 });
  const soon = pushedFlow({ timeMs: nowMs + 2 * minuteMs, port: 7002 });
  const future = pushedFlow({ timeMs: nowMs + 60 * minuteMs, port: 7003, node: 'n2' });
  const { body } = await made.push(linesOf(late, soon, future));
  t.is(body.accepted, 2);
  t.is(body.rejected[0].where, 'line 3');
  t.regex(body.rejected[0].reason, /60 min ahead of the controller's clock/);
  t.deepEqual(made.seen(), ['web>cart:TCP/7001 1', 'web>cart:TCP/7002 1']);
  const { losses } = made.graph.observation();
  t.deepEqual(
    losses.map(({ source, node, periods }) => [source, node, periods.reduce((sum, { lost }) => sum + lost, 0)]),
    [['conntrack', 'n2', 1]],
  );
});

for (const [words, offMs] of [
  ['ahead', 60 * minuteMs],
  ['behind', -60 * minuteMs],
] as const) {
  test(`of a sender whose clock is an hour ${words} nothing is believed but that it is missing`, async (t) => {
    const made = await world(t);
    const nowMs = Date.now();
    const wrong = linesOf(
      pushedFlow({ timeMs: nowMs + offMs, node: 'n2' }),
      pushedFlow({ timeMs: nowMs + offMs, node: 'n2' }),
    );
    const [reply, other] = await Promise.all([
      made.push(wrong, { ...numbered('n2/a', 1), date: new Date(nowMs + offMs).toUTCString() }),
      made.push(oneFlow(), { ...numbered('n1/a', 1), date: new Date(nowMs).toUTCString() }),
    ]);
    t.deepEqual([reply.status, reply.body.accepted, reply.body.rejected.length], [200, 0, 2]);
    t.regex(reply.body.rejected[0].reason, new RegExp(`60 min ${words} of the controller's: .*NTP`));
    t.is(other.body.accepted, 1);
    t.deepEqual(made.seen(), ['web>cart:TCP/8080 1']);
    const { losses } = made.graph.observation();
    t.deepEqual(
      losses.map(({ node, periods }) => [node, periods.reduce((sum, { lost }) => sum + lost, 0)]),
      [['n2', 2]],
    );
  });
}

test('that a node was observed is believed from a clock that is right, and from who may speak for the node', async (t) => {
  const nowMs = Date.now();
  const alive = (node: string, fromMs: number) =>
    `${encodeObserved({ source: 'conntrack', node, fromMs, toMs: fromMs + minuteMs })}\n`;
  const made = await world(t);
  const right = await made.push(
    alive('n1', nowMs - 180 * minuteMs) + alive('n1', nowMs - minuteMs) + alive('n2', nowMs + 60 * minuteMs),
  );
  t.deepEqual([right.status, right.headers['nanoseg-takes'], right.body.accepted], [200, 'alive/v1', 2]);
  t.regex(right.body.rejected[0].reason, /61 min ahead of the controller's clock: .*NTP/);
  const date = new Date(nowMs - 60 * minuteMs).toUTCString();
  const wrong = await made.push(alive('n3', nowMs - 60 * minuteMs), { date });
  t.regex(wrong.body.rejected[0].reason, /60 min behind of the controller's clock: .*NTP/);
  t.deepEqual(
    made.graph.observation().flows.map(({ node, flows, runs }) => [node, flows, runs.length]),
    [['n1', 0, 2]],
  );
  t.deepEqual(made.graph.observation().losses, [], 'and nothing is lost by it');

  const of = (node: string) =>
    readPushedLines(
      (async function* () {
        yield Buffer.from(alive(node, nowMs - minuteMs));
      })(),
      { node: 'n1', pushedBy: 'an agent', nowMs, clockAheadMs: 0 },
      10,
    );
  const [own, other] = [await of('n1'), await of('n2')];
  t.deepEqual([own.observed?.length, own.rejected], [1, []]);
  t.deepEqual([other.observed, other.rejected[0]?.reason], [[], 'node: an agent speaks for node "n1" only, got "n2"']);
});

test('addresses that no inventory knows are kept apart, and change nothing for others', async (t) => {
  const made = await world(t);
  const unknown = pushedFlow({ server: { ...unnamedPeer, ip: '10.244.9.9' } });
  t.is((await made.push(linesOf(unknown, pushedFlow()))).body.accepted, 2);
  await eventually(() => made.ingest.counters.held === 0, 'nothing waits');
  t.deepEqual(made.seen(), ['web>cart:TCP/8080 1', 'web>unknown:no-owner:10.244.9.9:TCP/8080 1']);
});

test('a flow that waits for its pod to be known is saved as waiting before it is answered', async (t) => {
  const store = new MemoryConnectionStore();
  const made = await world(t, { store, graceMs: 60_000 });
  const unknown = pushedFlow({ timeMs: Date.now(), server: { ...unnamedPeer, ip: '10.244.9.9' } });
  t.is((await made.push(linesOf(unknown))).status, 200);
  t.is((await store.load()).memory.held.length, 1);
});

test('a unix socket is pushed to by its owner alone; one that a killed controller left is replaced, anything else is not', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-push-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  const socket = join(directory, 'push.sock');
  const first = await PushWorld.running({ config: { socket } });
  t.is((await stat(socket)).mode & 0o777, 0o600);
  t.is((await pushTo({ socketPath: socket, headers: lineHeaders, body: oneFlow() })).status, 200);
  // as if it was killed, it leaves its socket
  const second = await world(t, { config: { socket } });
  t.is((await pushTo({ socketPath: socket, headers: lineHeaders, body: oneFlow() })).status, 200);
  t.is(second.graph.size, 1);
  await first.stop();

  const file = join(directory, 'notes.txt');
  await writeFile(file, 'mine');
  const error = await t.throwsAsync(PushWorld.open({ config: { socket: file } }), { instanceOf: ControllerProblem });
  t.like(error?.problem, { code: 'PushUnusable' });
  t.is(await readFile(file, 'utf8'), 'mine');
});

test('in a workspace only loopback is open; other addresses want certificates', async (t) => {
  const refused = await t.throwsAsync(PushWorld.open({ config: { port: 0, host: '0.0.0.0' } }), {
    instanceOf: ControllerProblem,
  });
  t.regex(refused?.message ?? '', /0\.0\.0\.0 needs --push-client-ca/);
});
