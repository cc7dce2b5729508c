import { connect } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { ApiProblem } from '../../../controller/adapters/http/api/api-problem.ts';
import type { Gate } from '../../../controller/adapters/http/api/gate.ts';
import { defaultStreamLimits, type StreamLimits } from '../../../controller/adapters/http/api/event-streams.ts';
import { eventSchemas } from '../../../controller/adapters/http/api/cluster-schemas.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import type { Endpoint } from '../../../controller/model/endpoint.ts';
import { buildCluster } from '../../support/build-cluster.ts';
import { ask, type HeardEvent, Listener } from '../../support/http-client.ts';
import { serveGraph } from '../../support/served-graph.ts';
import { peer, sighting, workload } from '../../support/sightings.ts';
import { StaticView } from '../../support/static-view.ts';

const view = new StaticView(
  buildCluster([
    { name: 'web', labels: { app: 'web' } },
    { name: 'cart', labels: { app: 'cart' } },
    { namespace: 'data', name: 'db', labels: { app: 'db' } },
    { namespace: 'secret', name: 'vault', labels: { app: 'vault' } },
    { namespace: 'secret', name: 'keys', labels: { app: 'keys' } },
  ]),
);
const vault = workload('vault', 'secret');

/** Tokens are the namespaces that one may see; none: all of them. */
const gate: Gate = {
  access: 'token',
  admit: async (token = '') => {
    if (token === 'nobody') throw new ApiProblem(401, 'NotAuthenticated', 'nobody');
    return { user: token, key: token };
  },
  sightOf: async (_, token = 'all') => {
    const names = token.split('+');
    return { key: token, everything: token === 'all', maySee: (name) => token === 'all' || names.includes(name) };
  },
  whyNoDecision: async () => 'no',
};

async function served(t: ExecutionContext, limits: Partial<StreamLimits> = {}, epoch = 'e0') {
  const graph = new TrafficGraph({ binMs: 60_000 });
  const streams = { ...defaultStreamLimits, ...limits };
  const made = await serveGraph(graph, view, { gate, epoch, limits: { streams } });
  t.teardown(() => made.close());
  const see = (server: Endpoint, port = 80, client: Endpoint = workload('web')) =>
    graph.observe(sighting({ client: peer(client), server: peer(server), port }));
  const listen = async (token = 'all', headers: Readonly<Record<string, string>> = {}) => {
    const listener = await Listener.open(`${made.url}/api/v1/events`, { Authorization: `Bearer ${token}`, ...headers });
    t.teardown(() => listener.close());
    return listener;
  };
  return { ...made, graph, see, listen };
}

const told = (port: number) => (event: HeardEvent) =>
  event.event === 'graph' &&
  event.data.edges.some((edge: { attributes: { ports: string } }) =>
    edge.attributes.ports.split(/[ ,]+/).includes(`${port}`),
  );

test('every event has the shape that is documented, and says what the graph says', async (t) => {
  const { see, tell, listen, url } = await served(t);
  const listener = await listen();
  const ready = await listener.hears(({ event }) => event === 'ready');
  t.is(ready.data.position, ready.id);
  see(workload('cart'));
  see(workload('db', 'data'), 5432);
  see({ kind: 'external', address: '192.0.2.7' }, 443);
  tell();
  const change = await listener.hears(({ event }) => event === 'graph');
  for (const { event, data } of listener.heard) {
    const schema = eventSchemas[event as keyof typeof eventSchemas];
    t.true(schema.safeParse(data).success, `${event} ${JSON.stringify(data)}`);
  }
  for (const [level, edges] of [
    ['workload', change.data.edges],
    ['namespace', change.data.namespaceEdges],
  ] as const) {
    const { json } = await ask(`${url}/api/v1/graph?level=${level}`, { headers: { Authorization: 'Bearer all' } });
    t.deepEqual(new Set(edges), new Set(json.edges), level);
    for (const { source, target } of json.edges)
      for (const key of [source, target]) t.true(change.data.nodes.some((node: { key: string }) => node.key === key));
  }
});

test('an edge that changes is told whole, with what was seen of it before', async (t) => {
  const { see, tell, listen } = await served(t);
  see(workload('cart'), 80);
  tell();
  const listener = await listen();
  see(workload('cart'), 443);
  tell();
  const { data } = await listener.hears(told(443));
  t.is(data.edges.length, 1);
  t.is(data.edges[0].attributes.ports, 'TCP 80, 443');
  t.is(data.edges[0].attributes.connections, 2);
});

test('who comes back hears what was missed, once, and nothing that was heard', async (t) => {
  const { see, tell, listen, ring } = await served(t);
  const first = await listen();
  see(workload('cart'), 1);
  tell();
  await first.hears(told(1));
  const id = first.lastId;
  first.close();
  see(workload('db', 'data'), 2);
  tell();
  ring.append({ kind: 'proposal-gone', namespace: 'shop', name: 'one' });
  see(vault, 3);
  tell();
  ring.append({ kind: 'proposal-gone', namespace: 'shop', name: 'two' });
  tell();
  const second = await listen('all', { 'Last-Event-ID': id });
  await second.hears(({ event }) => event === 'ready');
  t.false(second.heard.some(told(1)));
  t.is(second.heard.filter(({ event }) => event === 'graph').length, 1);
  t.true(second.heard.some(told(2)) && second.heard.some(told(3)));
  t.deepEqual(
    second.heard.flatMap(({ event, data }) => (event === 'proposal-gone' ? [data.name] : [])),
    ['one', 'two'],
  );
  t.false(second.heard.some(({ event }) => event === 'reset'));
  see(workload('cart'), 4);
  tell();
  await second.hears(told(4));
  t.is(second.heard.filter(({ event }) => event === 'proposal-gone').length, 2);
});

test('the position of a graph is a place to go on from', async (t) => {
  const { see, tell, url } = await served(t);
  see(workload('cart'), 1);
  tell();
  const { json } = await ask(`${url}/api/v1/graph`, { headers: { Authorization: 'Bearer all' } });
  see(workload('cart'), 2);
  tell();
  const listener = await Listener.open(`${url}/api/v1/events?after=${json.attributes.position}`, {
    Authorization: 'Bearer all',
  });
  t.teardown(() => listener.close());
  await listener.hears(told(2));
  t.is(listener.heard.filter(({ event }) => event === 'graph').length, 1);
});

test('cut off again and again at any place, nothing is lost and no proposal is told twice', async (t) => {
  const { see, tell, listen, ring } = await served(t);
  const names: string[] = [];
  const ports = new Set<number>();
  let position = (await (await listen()).hears(({ event }) => event === 'ready')).id;
  for (let round = 1; round <= 12; round++) {
    see(workload('cart'), round);
    tell();
    ring.append({ kind: 'proposal-gone', namespace: 'shop', name: `p${round}` });
    if (round % 3 === 0) see(workload('db', 'data'), 1000 + round);
    tell();
    const listener = await listen('all', { 'Last-Event-ID': position });
    await listener.hears(({ event }) => event === 'ready');
    // as if the connection had broken after some of the events
    const heard = listener.heard.slice(0, 1 + (round % listener.heard.length));
    listener.close();
    for (const { event, data, id } of heard) {
      if (event === 'proposal-gone') names.push(data.name);
      if (event === 'graph') {
        for (const { attributes } of data.edges)
          for (const port of attributes.ports.match(/\d+/g) ?? []) ports.add(Number(port));
      }
      position = id;
    }
  }
  const last = await listen('all', { 'Last-Event-ID': position });
  await last.hears(({ event }) => event === 'ready');
  for (const { event, data } of last.heard) {
    if (event === 'proposal-gone') names.push(data.name);
    if (event === 'graph')
      for (const { attributes } of data.edges)
        for (const port of attributes.ports.match(/\d+/g) ?? []) ports.add(Number(port));
  }
  t.deepEqual(
    names,
    Array.from({ length: 12 }, (_, i) => `p${i + 1}`),
  );
  t.true([1003, 1006, 1009, 1012].every((port) => ports.has(port)));
});

test('what another process told, and what nobody can have heard yet, ends in a reset', async (t) => {
  const { see, tell, listen } = await served(t, {}, 'e1');
  see(workload('cart'));
  tell();
  const other = await listen();
  const { id } = await other.hears(({ event }) => event === 'ready');
  const before = await served(t, {}, 'e0');
  for (const wrong of [
    id,
    'e0',
    'nonsense',
    id.replace(/-\d+$/, '-999'),
    `${id.replace(/-\d+$/, '')}-1e3`,
    id.replace('e1', 'e0'),
  ]) {
    const listener = await (wrong === id ? before.listen : listen)('all', { 'Last-Event-ID': wrong });
    const { event, data } = await listener.hears(() => true);
    t.is(event, 'reset', wrong);
    t.regex(data.position, /^e[01][0-9a-f]{8}-\d+$/);
  }
});

test('after more events than are kept one has to ask anew', async (t) => {
  const { ring, tell, listen } = await served(t);
  const { id } = await (await listen()).hears(({ event }) => event === 'ready');
  for (let i = 0; i < 1_001; i++) ring.append({ kind: 'proposal-gone', namespace: 'shop', name: `p${i}` });
  tell();
  const listener = await listen('all', { 'Last-Event-ID': id });
  t.is((await listener.hears(() => true)).event, 'reset');
});

test('nobody hears of what they may not see, and not by what name', async (t) => {
  const { see, tell, listen, ring } = await served(t);
  const listeners = await Promise.all(['shop', 'data', 'shop+secret'].map((token) => listen(token)));
  const [shop, data, both] = listeners as [Listener, Listener, Listener];
  see(vault, 8200, workload('keys', 'secret'));
  tell();
  see(vault, 8201);
  tell();
  ring.append({ kind: 'proposal-gone', namespace: 'secret', name: 'deployment-vault' });
  ring.append({ kind: 'cluster', namespaces: ['secret'] });
  ring.append({ kind: 'proposal-gone', namespace: 'shop', name: 'end' });
  ring.append({ kind: 'proposal-gone', namespace: 'data', name: 'end' });
  tell();
  await Promise.all(listeners.map((each) => each.hears(({ data: { name } }) => name === 'end')));
  t.false(JSON.stringify([shop.heard, data.heard]).includes('secret'));
  t.false(JSON.stringify([shop.heard, data.heard]).includes('vault'));
  t.deepEqual(
    data.heard.map(({ event }) => event),
    ['ready', 'proposal-gone'],
  );
  const seen = shop.heard.filter(({ event }) => event === 'graph');
  t.is(seen.length, 1);
  t.is(seen[0]?.data.edges[0].target, 'hidden:');
  t.true(both.heard.some(({ event, data: { name } }) => event === 'proposal-gone' && name === 'deployment-vault'));
});

test('a position that was had with other rights is no place to go on from', async (t) => {
  const { listen } = await served(t);
  const { id } = await (await listen('shop')).hears(({ event }) => event === 'ready');
  const listener = await listen('shop+secret', { 'Last-Event-ID': id });
  t.is((await listener.hears(() => true)).event, 'reset');
});

test('a stream ends when the rights of its listener change', async (t) => {
  const rights = { all: true };
  const graph = new TrafficGraph({ binMs: 60_000 });
  const changing: Gate = {
    ...gate,
    sightOf: async () => ({ key: `${rights.all}`, everything: rights.all, maySee: () => rights.all }),
  };
  const made = await serveGraph(graph, view, {
    gate: changing,
    limits: { streams: { ...defaultStreamLimits, recheckMs: 40 } },
  });
  t.teardown(() => made.close());
  const listener = await Listener.open(`${made.url}/api/v1/events`, { Authorization: 'Bearer x' });
  t.teardown(() => listener.close());
  await listener.hears(({ event }) => event === 'ready');
  rights.all = false;
  await listener.ends();
  t.pass();
});

test('200 clients hear the same, made once for all of them', async (t) => {
  const { see, tell, listen, server } = await served(t);
  const listeners = await Promise.all(Array.from({ length: 200 }, () => listen()));
  t.is(server.streams.size, 200);
  for (let port = 1; port <= 5; port++) {
    see(workload('cart'), port);
    tell();
  }
  const [first, ...others] = await Promise.all(
    listeners.map(async (each) => {
      await each.hears(told(5));
      return each.heard;
    }),
  );
  for (const heard of others) t.deepEqual(heard, first);
  for (const each of listeners) each.close();
  const deadline = Date.now() + 5_000;
  while (server.streams.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  t.is(server.streams.size, 0);
});

test('a client that reads nothing is cut off, and the others do not notice', async (t) => {
  const { ring, tell, listen, port, server } = await served(t, { queuedBytes: 400_000 });
  const reader = await listen();
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer all\r\n\r\n`);
  socket.pause();
  const deadline = Date.now() + 10_000;
  while (server.streams.size < 2 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  for (let i = 0; server.streams.size === 2 && Date.now() < deadline; i++) {
    for (let n = 0; n < 2; n++) ring.append({ kind: 'proposal-gone', namespace: 'shop', name: 'x'.repeat(20_000) });
    tell();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.is(server.streams.size, 1);
  ring.append({ kind: 'proposal-gone', namespace: 'shop', name: 'end' });
  tell();
  await reader.hears(({ data }) => data.name === 'end');
  t.false(reader.ended);
});

test('a client that takes nothing for long is cut off although little waits for it', async (t) => {
  const { ring, tell, port, server } = await served(t, { stalledMs: 100, heartbeatMs: 50, queuedBytes: 1 << 30 });
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => undefined);
  socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer all\r\n\r\n`);
  socket.pause();
  const deadline = Date.now() + 10_000;
  while (server.streams.size < 1 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  // as much as the kernel takes for it, and a little more
  for (let i = 0; i < 500; i++) ring.append({ kind: 'proposal-gone', namespace: 'shop', name: 'x'.repeat(30_000) });
  tell();
  while (server.streams.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  t.is(server.streams.size, 0);
});

test('a quiet stream says that it lives', async (t) => {
  const { port } = await served(t, { heartbeatMs: 40 });
  const socket = connect(port, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.write(`GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer all\r\n\r\n`);
  let text = '';
  for await (const part of socket) {
    text += String(part);
    if ((text.match(/: alive/g) ?? []).length >= 2) break;
  }
  t.regex(text, /content-type: text\/event-stream/i);
  t.regex(text, /cache-control: no-store/i);
});

test('there are only so many streams, for one caller and for all', async (t) => {
  const { listen } = await served(t, { streams: 3, perCaller: 2 });
  await listen('shop');
  await listen('shop');
  await t.throwsAsync(listen('shop'), { message: 'status 503' });
  await listen('data');
  await t.throwsAsync(listen('all'), { message: 'status 503' });
});

test('a change of more than a page can show says only to ask again', async (t) => {
  const { see, tell, listen } = await served(t);
  const listener = await listen();
  for (let port = 1; port <= 501; port++) see(workload('cart'), port);
  tell();
  const { data } = await listener.hears(({ event }) => event === 'graph');
  t.deepEqual(data, { refetch: true, nodes: [], edges: [], namespaceEdges: [] });
});
