import test, { type ExecutionContext } from 'ava';
import { hubbleSource } from '../../../controller/adapters/hubble/hubble-source.ts';
import { FlowAttributor } from '../../../controller/attribution/attribute-flow.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import type { SourcePosition } from '../../../controller/ports.ts';
import { Reading } from '../../contract/flow-source.ts';
import { buildCluster } from '../../support/build-cluster.ts';
import { HubbleServer, type HubbleServerOptions } from '../../support/hubble-server.ts';
import { flowOf, HubbleRecords } from '../../support/hubble-world.ts';

const hourMs = 3_600_000;

async function serve(t: ExecutionContext, options: HubbleServerOptions = {}): Promise<HubbleServer> {
  const server = await HubbleServer.start(options);
  t.teardown(() => server.kill());
  return server;
}

interface Extra {
  readonly position?: SourcePosition | undefined;
  readonly aheadMs?: number;
  readonly replies?: boolean;
}

/** Reads the server, with a clock that may be ahead. */
async function read(server: HubbleServer, { position, aheadMs = 0, replies = false }: Extra = {}): Promise<Reading> {
  const clock = { now: () => systemClock.now() + aheadMs };
  const reading = Reading.start(hubbleSource({ address: server.address, position, clock, replies }));
  const before = server.requests.length;
  await reading.until(() => server.readers > 0 && server.requests.length > before);
  return reading;
}

const uuids = (reading: Reading) => reading.flows.map(({ timeMs, clientPort }) => `${timeMs} ${clientPort}`).sort();

test('only first packets are asked for, of events that say who talks to whom', async (t) => {
  const server = await serve(t);
  const reading = await read(server);
  const records = new HubbleRecords();
  const first = records.next('node-a');
  server.report(
    records.next('node-a', { is_reply: true }),
    records.next('node-a', { is_reply: undefined, trace_observation_point: 'TO_OVERLAY' }),
    records.next('node-a', { event_type: { type: 7 } }),
    first,
  );
  await reading.until(({ flows }) => flows.length > 0);
  await reading.stop();
  t.deepEqual(reading.flows, [flowOf(first)]);
  t.is(reading.records, 1, 'the server left the others out');
  t.like(server.requests[0], { follow: true, number: 0, since: null, first: false });
});

test('a denied attempt is a flow although Hubble cannot know its direction', async (t) => {
  const server = await serve(t);
  const reading = await read(server);
  const change = {
    verdict: 'DROPPED',
    drop_reason_desc: 'POLICY_DENIED',
    event_type: { type: 1 },
    is_reply: undefined,
  };
  server.report(new HubbleRecords().next('node-a', change));
  await reading.until(({ flows }) => flows.length > 0);
  await reading.stop();
  t.like(reading.flows[0], { verdict: 'denied', directed: true, port: 6379 });
});

test('of a server that never knows replies everything is asked for, and what it does not know stays unknown', async (t) => {
  const server = await serve(t);
  const reading = await read(server, { replies: true });
  const change = { is_reply: undefined, l4: { UDP: { source_port: 9, destination_port: 10 } } };
  server.report(new HubbleRecords().next('node-a', change));
  await reading.until(({ flows }) => flows.length > 0);
  await reading.stop();
  t.false(reading.flows[0]?.directed);
});

test('after a break longer than what the server remembers, the loss is counted on the nodes that it concerns', async (t) => {
  const server = await serve(t, { ring: 50 });
  const records = new HubbleRecords();
  const before = await read(server);
  // four events a second on one node, one on the other
  for (let i = 0; i < 40; i++) server.report(records.next(i % 5 === 0 ? 'node-b' : 'node-a', {}, i * 250));
  await before.until(({ flows }) => flows.length === 40);
  await before.stop();
  for (let i = 0; i < 400; i++) server.report(records.next('node-a', {}, 20_000 + i * 50));
  const after = await read(server, { position: before.position });
  await after.until(({ flows }) => flows.length >= 50);
  await after.stop();
  t.deepEqual(
    after.losses.map(({ node, kind }) => [node, kind]),
    [['node-a', 'lost']],
  );
  const { events = 0 } = after.losses[0] ?? {};
  t.true(events > 20 && events < 400, `${events} by the pace of before`);
});

test('an agent that was started anew has forgotten everything, and that is a loss', async (t) => {
  const server = await serve(t);
  const records = new HubbleRecords();
  const before = await read(server);
  for (let i = 0; i < 20; i++) server.report(records.next('node-a'));
  await before.until(({ flows }) => flows.length === 20);
  server.restart();
  const failure = await before.failure();
  t.regex(failure.message, /it ended the stream, as it does when it is restarted/);
  const after = await read(server, { position: before.position });
  server.report(records.next('node-a'));
  await after.until(({ flows }) => flows.length > 0);
  await after.stop();
  t.is(after.losses.length, 1);
  t.like(after.losses[0], { node: 'node-a', kind: 'lost', source: 'hubble' });
});

test('lost events that the server still remembers are not counted again after a break', async (t) => {
  const server = await serve(t);
  const records = new HubbleRecords();
  const before = await read(server);
  const lost = { source: 'PERF_EVENT_RING_BUFFER', num_events_lost: '5' };
  server.report(records.next('node-a'), { lost_events: lost, node_name: 'default/node-a', time: records.time(200) });
  await before.until(({ flows, losses }) => flows.length === 1 && losses.length === 1);
  await before.stop();
  const after = await read(server, { position: before.position });
  server.report(records.next('node-a'));
  await after.until(({ flows }) => flows.length > 0);
  await after.stop();
  t.deepEqual(after.losses, []);
});

test('a node that disappears is reported once, and again when it goes away another time', async (t) => {
  const server = await serve(t);
  const records = new HubbleRecords();
  const reading = await read(server);
  const time = records.time(0);
  const tell = (state_change: string, ...node_names: string[]) =>
    server.report({ node_status: { state_change, node_names }, node_name: 'relay', time });
  tell('NODE_CONNECTED', 'default/node-a', 'default/node-b');
  tell('NODE_UNAVAILABLE', 'default/node-b');
  tell('NODE_ERROR', 'default/node-b');
  tell('NODE_GONE', 'default/node-b');
  server.report(records.next('node-a'));
  await reading.until(({ flows }) => flows.length === 1);
  t.deepEqual(
    reading.losses.map(({ node, kind }) => [node, kind]),
    [['node-b', 'unavailable']],
  );
  tell('NODE_CONNECTED', 'default/node-b');
  server.report(records.next('node-b'));
  tell('NODE_UNAVAILABLE', 'default/node-b');
  await reading.until(({ losses }) => losses.length === 2);
  await reading.stop();
  t.is(reading.flows.length, 2);
});

test('a clock that is an hour off changes no time of a flow, and nothing is lost or read twice for it', async (t) => {
  for (const aheadMs of [-hourMs, hourMs]) {
    const server = await serve(t);
    const records = new HubbleRecords();
    const played = Array.from({ length: 60 }, () => records.next('node-a'));
    const before = await read(server, { aheadMs });
    server.report(...played.slice(0, 20));
    await before.until(({ flows }) => flows.length === 20);
    await before.stop();
    server.report(...played.slice(20, 40));
    const after = await read(server, { aheadMs, position: before.position });
    server.report(...played.slice(40));
    await after.until(({ flows }) => flows.length >= 40);
    await after.stop();
    t.deepEqual([...before.flows, ...after.flows], played.map(flowOf));
    t.deepEqual([...before.losses, ...after.losses], []);
  }
});

test('a node whose clock is an hour behind or ahead loses nothing after a break, and neither do the others', async (t) => {
  const server = await serve(t);
  const nodes = [0, -hourMs, hourMs].map((offMs, i) => ({
    node: `node-${i}`,
    records: new HubbleRecords(Date.now() + offMs),
  }));
  const play = (count: number) => {
    const played = Array.from({ length: count }, () => nodes.map(({ node, records }) => records.next(node))).flat();
    server.report(...played);
    return played;
  };
  const before = await read(server);
  const read1 = play(20);
  await before.until(({ flows }) => flows.length === 60);
  await before.stop();
  const missed = play(20);
  const after = await read(server, { position: before.position });
  const live = play(20);
  await after.until(({ flows }) => flows.length >= 120);
  await after.stop();
  t.deepEqual([...before.flows, ...after.flows], [...read1, ...missed, ...live].map(flowOf));
  t.deepEqual(after.losses, []);
});

test('more than is remembered of what was read comes again, and is known all the same', async (t) => {
  const server = await serve(t, { ring: 10_000 });
  const records = new HubbleRecords();
  const before = await read(server);
  const played = Array.from({ length: 5000 }, (_, i) => records.next(`node-${i % 3}`));
  server.report(...played.slice(0, 4000));
  await before.until(({ flows }) => flows.length === 4000);
  await before.stop();
  t.true((before.position?.length ?? 0) < 40_000, 'a position is small');
  server.report(...played.slice(4000));
  const after = await read(server, { position: before.position });
  await after.until(({ flows }) => flows.length >= 1000);
  await after.stop();
  t.deepEqual(
    uuids(after),
    played
      .slice(4000)
      .map(flowOf)
      .map(({ timeMs, clientPort }) => `${timeMs} ${clientPort}`)
      .sort(),
  );
  t.deepEqual(after.losses, []);
});

test('events without a uuid are known again by what is in them', async (t) => {
  const server = await serve(t);
  const records = new HubbleRecords();
  const before = await read(server);
  const played = Array.from({ length: 30 }, () => records.next('node-a', { uuid: undefined }));
  server.report(...played.slice(0, 20));
  await before.until(({ flows }) => flows.length === 20);
  await before.stop();
  server.report(...played.slice(20));
  const after = await read(server, { position: before.position });
  await after.until(({ flows }) => flows.length >= 10);
  await after.stop();
  t.deepEqual(after.flows, played.slice(20).map(flowOf));
});

test('a flood from one pod takes nothing from other nodes', async (t) => {
  const server = await serve(t, { ring: 200_000 });
  const records = new HubbleRecords();
  const reading = await read(server);
  server.flood(records.next('node-a'), 20_000);
  const others = Array.from({ length: 50 }, () => records.next('node-b'));
  for (const other of others) {
    server.report(other);
    server.flood(records.next('node-a'), 400);
  }
  await reading.until(({ flows }) => flows.length === 40_050);
  await reading.stop();
  t.deepEqual(
    reading.flows.filter(({ node }) => node === 'node-b'),
    others.map(flowOf),
  );
  t.deepEqual(reading.losses, []);
});

test('a connection that both of its nodes report counts once', async (t) => {
  const server = await serve(t);
  const reading = await read(server);
  const atServer = new HubbleRecords().next('node-b');
  const time = (atServer['flow'] as { readonly time: string }).time;
  const atClient = new HubbleRecords().next('node-a', { time, trace_observation_point: 'TO_STACK', uuid: 'another' });
  server.report(atClient, atServer);
  await reading.until(({ flows }) => flows.length === 2);
  await reading.stop();
  const pod = (name: string, ip: string) => ({ name, ips: [ip], node: 'node-b', startMs: 0 });
  const cluster = buildCluster([
    { namespace: 'shop', name: 'cart', labels: { app: 'cart' }, pods: [pod('cart-5f6c9d7b8-abcd0', '10.0.1.1')] },
    { namespace: 'shop', name: 'redis', labels: { app: 'redis' }, pods: [pod('redis-0', '10.0.2.7')] },
  ]);
  const attributor = new FlowAttributor(cluster);
  const graph = new TrafficGraph({ binMs: 300_000 });
  for (const flow of reading.flows) graph.observe(attributor.attribute(flow), flow.node);
  const connections = [...graph.connections()];
  t.is(connections.length, 1);
  t.is(connections[0]?.evidence.allowed, 1);
});

test('addresses that nobody knows are told as addresses', async (t) => {
  const server = await serve(t);
  const reading = await read(server);
  const unknown = {
    IP: { source: '203.0.113.9', destination: '2001:db8::7', ipVersion: 'IPv6' },
    source: {},
    destination: {},
  };
  server.report(new HubbleRecords().next('node-a', unknown));
  await reading.until(({ flows }) => flows.length > 0);
  await reading.stop();
  t.like(reading.flows[0], {
    client: { ip: '203.0.113.9', pod: undefined },
    server: { ip: '2001:db8::7', labels: undefined },
  });
});

test('a position that nobody can read is not where reading goes on, and what is missing then is a loss', async (t) => {
  for (const position of ['', '{}', '{"version":9}', 'nonsense']) {
    const server = await serve(t);
    server.report(new HubbleRecords().next('node-a'));
    const reading = await read(server, { position });
    server.report(new HubbleRecords().next('node-a'));
    await reading.until(({ flows }) => flows.length > 0);
    await reading.stop();
    t.is(reading.flows.length, 1);
    t.is(reading.losses.length, 1);
    t.like(reading.losses[0], { node: '', kind: 'lost', events: undefined });
  }
});
