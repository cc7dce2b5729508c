import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import {
  FlowSender,
  type FlowSenderOptions,
  type SenderEvent,
} from '../../../controller/adapters/flow-push/flow-sender.ts';
import { parseSenderAddress, type SenderAddress } from '../../../controller/adapters/flow-push/sender-address.ts';
import { MemoryConnectionStore } from '../../../controller/adapters/memory/memory-connection-store.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import type { Flow, FlowLoss, ObservedTime } from '../../../controller/model/flow.ts';
import type { Clock } from '../../../controller/ports.ts';
import { pushedFlow, PushWorld } from '../../support/push-world.ts';
import { eventually } from '../../support/recording-sink.ts';
import { TestAuthority, type TestCertificate, testFiles } from '../../support/test-certificates.ts';

/** Waits a hundredth of what it is told. */
const hasty: Clock = { now: () => Date.now(), sleep: (ms, signal) => systemClock.sleep(ms / 100, signal) };

interface Request {
  readonly sequence: number;
  readonly producer: string;
  readonly raw: Buffer;
  readonly headers: IncomingMessage['headers'];
  /** Lines as objects. */
  // oxlint-disable-next-line typescript/no-explicit-any -- lines of JSON, looked at by assertions
  readonly lines: readonly any[];
}

interface Answer {
  /** 0: none, the connection breaks. */
  readonly status: number;
  readonly body?: object;
  readonly headers?: Readonly<Record<string, string>>;
}

const taken: Answer = { status: 200, body: { accepted: 1, rejected: [] } };

/** A server that answers as the test says, and remembers what it was asked. */
class Recorder {
  readonly requests: Request[] = [];
  readonly saved: Request[] = [];
  answer: (request: Request) => Answer = () => taken;
  readonly #server: Server;

  constructor(certificate?: TestCertificate) {
    const serve = async (request: IncomingMessage) => {
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      const raw = Buffer.concat(parts);
      const lines = gunzipSync(raw)
        .toString()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
      const { headers } = request;
      return {
        sequence: Number(headers['nanoseg-sequence']),
        producer: String(headers['nanoseg-producer']),
        raw,
        headers,
        lines,
      };
    };
    const listener: Parameters<typeof createServer>[1] = (request, response) => {
      void serve(request).then((asked) => {
        this.requests.push(asked);
        const { status, body = {}, headers = {} } = this.answer(asked);
        if (status === 200) this.saved.push(asked);
        if (status === 0) response.destroy();
        else response.writeHead(status, headers).end(JSON.stringify(body));
      });
    };
    this.#server =
      certificate === undefined
        ? createServer(listener)
        : createSecureServer({ cert: certificate.certificate, key: certificate.privateKey }, listener);
  }

  static async start(
    t: ExecutionContext,
    host = '127.0.0.1',
    port = 0,
    certificate?: TestCertificate,
  ): Promise<Recorder> {
    const recorder = new Recorder(certificate);
    recorder.#server.listen(port, host);
    await once(recorder.#server, 'listening');
    t.teardown(() => recorder.stop());
    return recorder;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ports of the flows that were saved, in their order, and how many events were told as lost. */
  get ports(): readonly number[] {
    return this.saved.flatMap(({ lines }) =>
      lines.filter((line) => line.nanoseg === 'flow/v1').map(({ port }) => port),
    );
  }

  get lost(): number {
    const losses = this.saved.flatMap(({ lines }) => lines.filter((line) => line.nanoseg === 'loss/v1'));
    return losses.reduce((sum, { events }) => sum + events, 0);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

function address(text: string): SenderAddress {
  const parsed = parseSenderAddress(text);
  if ('code' in parsed) throw new Error(parsed.message);
  return parsed;
}

function start(t: ExecutionContext, to: string | readonly string[], options: Partial<FlowSenderOptions> = {}) {
  const events: SenderEvent[] = [];
  const sender = new FlowSender({
    addresses: [to].flat().map(address),
    credentials: {},
    node: 'n1',
    producer: 'n1/boot',
    clock: hasty,
    random: () => 0.5,
    report: (event) => events.push(event),
    ...options,
  });
  const stop = new AbortController();
  const running = sender.run(stop.signal);
  t.teardown(async () => {
    stop.abort();
    await running;
  });
  return { sender, events };
}

function flowsOf(...ports: readonly number[]): readonly Flow[] {
  return ports.map((port) => pushedFlow({ port }));
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

test('batches arrive in order, each once, with their number and the name of who sends them', async (t) => {
  const server = await Recorder.start(t);
  const { sender } = start(t, `http://127.0.0.1:${server.port}`);
  const loss: FlowLoss = { timeMs: 1_800_000_000_000, source: 'conntrack', node: 'n1', events: 4, kind: 'lost' };
  sender.offer(flowsOf(1, 2), []);
  sender.offer([], []);
  sender.offer(flowsOf(3), [loss]);
  await sender.delivered(AbortSignal.timeout(10_000));
  t.deepEqual(server.ports, [1, 2, 3]);
  t.is(server.lost, 4);
  t.deepEqual(
    server.saved.map(({ producer, sequence }) => [producer, sequence]),
    [
      ['n1/boot', 1],
      ['n1/boot', 2],
    ],
  );
  const { headers } = server.saved[0] as Request;
  t.is(headers['content-type'], 'application/x-ndjson');
  t.true(Math.abs(Date.parse(headers.date ?? '') - Date.now()) < 60_000);
  t.like(sender.figures, { bytes: 0, batches: 0, delivered: 2, dropped: 0 });
});

test('what is not taken is sent again, the same bytes with the same number, until it is', async (t) => {
  const server = await Recorder.start(t);
  const answers: Answer[] = [{ status: 503, body: { message: 'not ready' } }, { status: 0 }, { status: 503 }];
  server.answer = () => answers.shift() ?? taken;
  const { sender, events } = start(t, `http://127.0.0.1:${server.port}`);
  sender.offer(flowsOf(1), []);
  await eventually(() => server.requests.length >= 2, 'it tries again');
  sender.offer(flowsOf(2), []);
  await sender.delivered(AbortSignal.timeout(10_000));
  t.deepEqual(server.ports, [1, 2]);
  const first = server.requests.filter(({ sequence }) => sequence === 1);
  t.is(first.length, 4);
  t.true(first.every(({ raw }) => raw.equals((first[0] as Request).raw)));
  t.deepEqual(
    events.map(({ kind }) => kind),
    ['failing', 'well'],
    'told once, however often it failed',
  );
  t.like(events[0], { message: 'the controller answers 503: not ready' });
});

test('it waits as long as it is asked to', async (t) => {
  const server = await Recorder.start(t);
  server.answer = () => (server.requests.length < 2 ? { status: 429, headers: { 'retry-after': '7' } } : taken);
  const waits: number[] = [];
  const noting: Clock = {
    now: () => Date.now(),
    sleep: (ms, signal) => {
      waits.push(ms);
      return hasty.sleep(ms, signal);
    },
  };
  const { sender } = start(t, `http://127.0.0.1:${server.port}`, { clock: noting, resolveMs: 1_000_000 });
  sender.offer(flowsOf(1), []);
  await eventually(() => server.saved.length > 0, 'it is delivered');
  t.true(
    waits.some((ms) => ms >= 7_000 && ms < 9_000),
    waits.join(' '),
  );
});

test('a batch that is refused for good is told as loss with the next one', async (t) => {
  const server = await Recorder.start(t);
  server.answer = ({ sequence }) =>
    sequence === 1 ? { status: 400, body: { message: 'no line can be read' } } : taken;
  const { sender, events } = start(t, `http://127.0.0.1:${server.port}`);
  sender.offer(flowsOf(1, 2, 3), []);
  sender.offer(flowsOf(4), []);
  await sender.delivered(AbortSignal.timeout(10_000));
  t.deepEqual(server.ports, [4]);
  t.is(server.lost, 3);
  t.like(events[0], { kind: 'unusable', message: 'the controller answers 400: no line can be read' });
});

test('lines that the other side rejects are counted and told', async (t) => {
  const server = await Recorder.start(t);
  server.answer = () => ({
    status: 200,
    body: { accepted: 0, rejected: [{ where: 'line 1', reason: 'node: not yours' }], moreRejected: 2 },
  });
  const { sender, events } = start(t, `http://127.0.0.1:${server.port}`);
  sender.offer(flowsOf(1), []);
  await sender.delivered(AbortSignal.timeout(10_000));
  t.is(sender.figures.rejectedLines, 3);
  t.deepEqual(
    events.map((event) => ({ ...event, target: '' })),
    [{ kind: 'rejected', target: '', lines: 3, message: 'node: not yours' }],
  );
});

test('while nobody answers the newest is kept, and what was dropped is told as loss: nothing is missing untold', async (t) => {
  const server = await Recorder.start(t);
  let down = true;
  server.answer = () => (down ? { status: 503 } : taken);
  const { sender } = start(t, `http://127.0.0.1:${server.port}`, { mostBytes: 2_000 });
  for (const port of range(1, 60)) sender.offer(flowsOf(port), []);
  await eventually(() => server.requests.length > 1, 'it tries');
  for (const port of range(61, 120)) sender.offer(flowsOf(port), []);
  t.true(sender.figures.bytes <= 2_000);
  t.true(sender.figures.dropped > 0);
  down = false;
  await sender.delivered(AbortSignal.timeout(10_000));
  t.is(server.ports.at(-1), 120);
  t.is(new Set(server.ports).size, server.ports.length);
  t.is(server.ports.length + server.lost, 120);
  t.true(server.lost > 50);
});

test('every address of a name gets everything, each at its own pace', async (t) => {
  const first = await Recorder.start(t, '127.0.0.1');
  const second = await Recorder.start(t, '127.0.0.2', first.port);
  let down = true;
  second.answer = () => (down ? { status: 503 } : taken);
  const { sender } = start(t, `http://localhost:${first.port}`, { resolve: async () => ['127.0.0.1', '127.0.0.2'] });
  for (const port of range(1, 5)) sender.offer(flowsOf(port), []);
  await eventually(() => first.ports.length === 5, 'one has all, whatever the other does');
  t.deepEqual(second.ports, []);
  t.is(sender.failures.length, 1);
  t.true(sender.isTarget('127.0.0.2', first.port));
  down = false;
  await eventually(() => second.ports.length === 5, 'the other has all in the end');
  t.deepEqual(second.ports, first.ports);
});

test('who comes back with another address gets what it missed meanwhile', async (t) => {
  const before = await Recorder.start(t, '127.0.0.1');
  const other = await Recorder.start(t, '127.0.0.2', before.port);
  let addresses = ['127.0.0.1', '127.0.0.2'];
  const { sender } = start(t, `http://localhost:${before.port}`, { resolve: async () => addresses, resolveMs: 1_000 });
  sender.offer(flowsOf(1), []);
  await sender.delivered(AbortSignal.timeout(10_000));
  before.stop();
  addresses = ['127.0.0.2'];
  await eventually(() => before.saved.length === 1 && other.saved.length === 1, 'both had the first');
  sender.offer(flowsOf(2, 3), []);
  await eventually(() => other.ports.length === 3, 'the one that stayed has all');
  const after = await Recorder.start(t, '127.0.0.3', other.port);
  addresses = ['127.0.0.2', '127.0.0.3'];
  await eventually(() => after.ports.length >= 2, 'the one that came back has what it missed');
  t.deepEqual(after.ports, [2, 3]);
  t.is(after.lost, 0);
});

test('a name without an address is said, and flows are kept until it has one', async (t) => {
  const server = await Recorder.start(t);
  let known = false;
  const resolve = async () => {
    if (!known) throw new Error('ENOTFOUND');
    return ['127.0.0.1'];
  };
  const { sender, events } = start(t, `http://localhost:${server.port}`, { resolve, resolveMs: 1_000 });
  sender.offer(flowsOf(1, 2), []);
  await eventually(() => events.length > 0, 'it is said');
  t.deepEqual(events[0], {
    kind: 'failing',
    target: `http://localhost:${server.port}`,
    message: 'the name localhost cannot be resolved: ENOTFOUND',
  });
  t.is(sender.failures.length, 1);
  known = true;
  await eventually(() => server.ports.length === 2, 'it is delivered');
  t.is(server.lost, 0);
  t.deepEqual(sender.failures, []);
});

test('a certificate that is not trusted, has expired or is for another name is told with what to do', async (t) => {
  const [authority, stranger] = await Promise.all([TestAuthority.create(), TestAuthority.create('another')]);
  const [good, old, elsewhere] = await Promise.all([
    authority.issue(['127.0.0.1']),
    authority.issue(['127.0.0.1'], -60_000),
    authority.issue(['nanoseg-flows.example']),
  ]);
  const files = testFiles({ ca: authority.certificate, stranger: stranger.certificate });
  t.teardown(() => files.remove());
  const said = async (certificate: TestCertificate, caFile: string) => {
    const server = await Recorder.start(t, '127.0.0.1', 0, certificate);
    const { sender, events } = start(t, `https://127.0.0.1:${server.port}`, { credentials: { caFile } });
    sender.offer(flowsOf(1), []);
    await eventually(() => events.length > 0 || server.saved.length > 0, 'it was tried');
    t.is(server.requests.length, events.length === 0 ? 1 : 0, 'nothing is sent to whom it does not trust');
    return events.map((event) => ('message' in event ? event.message : event.kind)).join();
  };
  t.is(await said(good, files.paths.ca), '');
  t.regex(
    await said(good, files.paths.stranger),
    /not signed by an authority that is trusted: name its authority with --ca/,
  );
  t.regex(await said(old, files.paths.ca), /not valid at this time: renew it, or set the clock right/);
  t.regex(await said(elsewhere, files.paths.ca), /for another name: use the name that it is for/);
  t.regex(await said(good, '/nonexistent/ca.crt'), /the file \/nonexistent\/ca.crt cannot be read \(ENOENT\)/);
});

test('tokens are read anew each time, and one that is optional may be missing', async (t) => {
  const server = await Recorder.start(t);
  const files = testFiles({ token: 'first\n' });
  t.teardown(() => files.remove());
  const { sender } = start(t, `http://127.0.0.1:${server.port}`, { credentials: { tokenFile: files.paths.token } });
  sender.offer(flowsOf(1), []);
  await sender.delivered(AbortSignal.timeout(10_000));
  files.write('token', 'second\n');
  sender.offer(flowsOf(2), []);
  await sender.delivered(AbortSignal.timeout(10_000));
  const optional = { tokenFile: '/nonexistent/token', tokenOptional: true };
  const bare = start(t, `http://127.0.0.1:${server.port}`, { credentials: optional });
  bare.sender.offer(flowsOf(3), []);
  await bare.sender.delivered(AbortSignal.timeout(10_000));
  const needed = start(t, `http://127.0.0.1:${server.port}`, { credentials: { tokenFile: '/nonexistent/token' } });
  needed.sender.offer(flowsOf(4), []);
  await eventually(() => needed.events.length > 0, 'it is said');
  t.like(needed.events[0], { message: 'the file /nonexistent/token cannot be read (ENOENT)' });
  t.deepEqual(
    server.requests.map(({ headers }) => headers.authorization),
    ['Bearer first', 'Bearer second', undefined],
  );
});

test('the endpoint of the controller takes what the sender sends, over mTLS, and counts it once', async (t) => {
  const authority = await TestAuthority.create();
  const [own, agent] = await Promise.all([authority.issue(['127.0.0.1']), authority.issue(['agent'])]);
  const files = testFiles({
    ca: authority.certificate,
    cert: own.certificate,
    key: own.privateKey,
    agentCert: agent.certificate,
    agentKey: agent.privateKey,
  });
  t.teardown(() => files.remove());
  const { ca, cert, key, agentCert, agentKey } = files.paths;
  const config = { port: 0, host: '127.0.0.1', clientCa: ca, cert, key };
  const world = await PushWorld.running({ config, flushMs: 100, graceMs: 0 });
  t.teardown(() => world.stop());
  const credentials = { caFile: ca, certFile: agentCert, keyFile: agentKey };
  const { sender, events } = start(t, `https://127.0.0.1:${world.endpoint.port}`, { credentials, clock: systemClock });
  sender.offer([pushedFlow({ connections: 2 }), pushedFlow({ port: 9090 })], []);
  sender.offer([pushedFlow({ connections: 3 })], []);
  await sender.delivered(AbortSignal.timeout(20_000));
  t.deepEqual(events, []);
  t.deepEqual(world.seen(), ['web>cart:TCP/8080 5', 'web>cart:TCP/9090 1'].sort());
});

test('an address is a port of a host or a socket, and what would show a token in the open is refused', (t) => {
  t.like(address('https://nanoseg-flows.nanoseg-system.svc:8444'), {
    kind: 'https',
    host: 'nanoseg-flows.nanoseg-system.svc',
    port: 8444,
  });
  t.like(address('https://[fd00::1]'), { host: 'fd00::1', port: 443 });
  t.like(address('http://[::1]:80/v1/flows'), { kind: 'http', host: '::1', port: 80 });
  t.like(address('unix:///run/nanoseg.sock'), { kind: 'socket', path: '/run/nanoseg.sock' });
  const refused = (text: string) => {
    const parsed = parseSenderAddress(text);
    return 'code' in parsed ? parsed.message : 'fine';
  };
  t.regex(refused('http://10.0.0.1:80'), /only goes to this machine itself/);
  t.regex(refused('nanoseg:8444'), /expected https/);
  t.regex(refused('unix://run/nanoseg.sock'), /expected unix:\/\/\/path/);
  t.regex(refused('https://user:secret@host'), /nothing but a host and a port/);
  t.regex(refused('https://host/other'), /expected no path/);
  t.regex(refused(''), /expected https/);
});

function alive(minute: number, node = 'n1'): ObservedTime {
  const fromMs = Date.now() - 60 * 60_000 + minute * 60_000;
  return { source: 'conntrack', node, fromMs, toMs: fromMs + 60_000 };
}

const kinds = ({ lines }: Request) => lines.map(({ nanoseg }) => nanoseg);

test('that the node was observed is told to who takes it, with flows and without', async (t) => {
  const server = await Recorder.start(t);
  server.answer = () => ({ ...taken, headers: { 'nanoseg-takes': 'alive/v1' } });
  const { sender } = start(t, `http://127.0.0.1:${server.port}`);
  const delivered = () => sender.delivered(AbortSignal.timeout(10_000));
  sender.offer([], [], [alive(1)]);
  await delivered();
  sender.offer([], [], [alive(2)]);
  sender.offer(flowsOf(1), [], [alive(3)]);
  await delivered();
  t.deepEqual(server.saved.map(kinds), [[], ['alive/v1'], ['flow/v1', 'alive/v1']]);
});

test('a controller that does not know what that means is sent flows and nothing else', async (t) => {
  const server = await Recorder.start(t);
  const { sender, events } = start(t, `http://127.0.0.1:${server.port}`);
  const delivered = () => sender.delivered(AbortSignal.timeout(10_000));
  sender.offer(flowsOf(1), [], [alive(1)]);
  sender.offer([], [], [alive(2)]);
  sender.offer(flowsOf(2), [], [alive(3)]);
  await delivered();
  t.deepEqual(server.saved.map(kinds), [['flow/v1'], [], ['flow/v1']]);
  // another one takes its place, and is followed by the first again
  server.answer = () => ({ ...taken, headers: { 'nanoseg-takes': 'alive/v1' } });
  sender.offer([], [], [alive(4)]);
  await delivered();
  server.answer = ({ lines }) => (lines.some(({ nanoseg }) => nanoseg === 'alive/v1') ? { status: 400 } : taken);
  for (const minute of [5, 6, 7]) {
    sender.offer([], [], [alive(minute)]);
    await delivered();
  }
  t.deepEqual(server.requests.slice(3).map(kinds), [[], ['alive/v1'], [], []]);
  t.deepEqual(
    events.map(({ kind }) => kind),
    ['unusable'],
  );
  t.is(server.lost, 0);
  sender.offer(flowsOf(3), []);
  await delivered();
  t.is(server.lost, 0, 'nothing that happened is missing');
  t.like(sender.figures, { bytes: 0, batches: 0 });
});

test('a quiet node comes into the graph of a real controller, and is kept with its evidence', async (t) => {
  const store = new MemoryConnectionStore();
  const world = await PushWorld.running({ store });
  const { sender, events } = start(t, `http://127.0.0.1:${world.endpoint.port}`);
  sender.offer([], [{ timeMs: Date.now(), source: 'conntrack', node: 'n1', events: undefined, kind: 'started' }]);
  for (let minute = 0; minute < 20; minute++) sender.offer([], [], [alive(minute)]);
  await sender.delivered(AbortSignal.timeout(10_000));
  const { span, flows } = world.graph.observation();
  t.deepEqual([world.graph.size, span], [0, undefined]);
  t.deepEqual(
    flows.map((one) => [one.source, one.node, one.flows]),
    [['conntrack', 'n1', 0]],
  );
  const bins = flows.flatMap(({ runs }) => runs.map((run) => run.bins));
  t.true(bins.length === 1 && (bins[0] === 4 || bins[0] === 5), `${bins.join()}`);
  t.is(sender.figures.rejectedLines, 0);
  t.deepEqual(events, []);
  await world.stop();
  const kept = [...(await store.load()).evidence].flatMap((part) => part.flows);
  t.deepEqual(kept, flows);
});
