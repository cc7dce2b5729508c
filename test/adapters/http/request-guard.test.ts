import { connect } from 'node:net';
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { buildCluster } from '../../support/build-cluster.ts';
import { ask, post } from '../../support/http-client.ts';
import { serveGraph } from '../../support/served-graph.ts';
import { peer, sighting, workload } from '../../support/sightings.ts';
import { StaticView } from '../../support/static-view.ts';

const view = new StaticView(buildCluster(['web', 'cart', 'db'].map((name) => ({ name, labels: { app: name } }))));
const decision = { digest: `sha256:${'0'.repeat(64)}` };
const approve = '/api/v1/proposals/shop/cart/approve';

type Options = Parameters<typeof serveGraph>[2];

async function served(t: ExecutionContext, options: Options = {}) {
  const graph = new TrafficGraph({ binMs: 60_000 });
  graph.observe(sighting());
  const made = await serveGraph(graph, view, options);
  t.teardown(() => made.close());
  return { ...made, graph };
}

const headers = {
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types nanoseg-worker",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'x-frame-options': 'DENY',
};

test('every answer, an error too, has the same strict headers, and none sets a cookie', async (t) => {
  const { url } = await served(t);
  const paths = [
    '/',
    '/api/v1/session',
    '/api/v1/graph',
    '/openapi.json',
    '/healthz',
    '/metrics',
    '/nothing',
    '/api/v1/graph?x',
  ];
  for (const path of paths) {
    const reply = await ask(`${url}${path}`);
    for (const [name, value] of Object.entries(headers)) t.is(reply.headers[name], value, `${path} ${name}`);
    t.is(reply.headers['set-cookie'], undefined);
    t.is(reply.headers['x-powered-by'], undefined);
    t.is(reply.headers['access-control-allow-origin'], undefined);
  }
});

test('a name that a stranger makes this address have is refused, and the names of this machine are not', async (t) => {
  const { url, port } = await served(t);
  for (const host of [
    'evil.example',
    `evil.example:${port}`,
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '10.0.0.1',
    '0.0.0.0',
  ]) {
    const reply = await ask(`${url}/api/v1/session`, { headers: { Host: host } });
    t.true([400, 421].includes(reply.status), `${host}: ${reply.status}`);
    t.false(reply.text.includes('tester'));
  }
  for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, '[::1]:9999', 'LOCALHOST', '127.8.8.8:1']) {
    t.is((await ask(`${url}/api/v1/session`, { headers: { Host: host } })).status, 200, host);
  }
});

test('pages of other sites can neither ask nor decide', async (t) => {
  const { url, port } = await served(t);
  const foreign = [
    'http://evil.example',
    'null',
    `http://localhost.evil.example:${port}`,
    `http://127.0.0.1:${port + 1}`,
  ];
  for (const origin of foreign) {
    t.is((await ask(`${url}/api/v1/graph`, { headers: { Origin: origin } })).json.code, 'OriginRefused', origin);
    t.is((await post(`${url}${approve}`, decision, { Origin: origin })).json.code, 'OriginRefused', origin);
  }
  const crossSite = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'no-cors' };
  t.is((await ask(`${url}/api/v1/graph`, { headers: crossSite })).status, 403);
  const own = { Origin: `http://127.0.0.1:${port}`, 'Sec-Fetch-Site': 'same-origin' };
  t.is((await ask(`${url}/api/v1/graph`, { headers: own })).status, 200);
  t.is((await post(`${url}${approve}`, decision, own)).json.code, 'ProposalNotFound');
});

test('what a form of another site could send is no decision', async (t) => {
  const { url } = await served(t);
  const types = [
    'application/x-www-form-urlencoded',
    'text/plain',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    '',
  ];
  for (const type of types) {
    const body = JSON.stringify(decision);
    const reply = await ask(`${url}${approve}`, { method: 'POST', body, headers: { 'Content-Type': type } });
    t.is(reply.status, 415, type);
    t.is(reply.json.code, 'MediaTypeRefused');
  }
  for (const method of ['PUT', 'PATCH', 'DELETE']) {
    const reply = await ask(`${url}${approve}`, {
      method,
      headers: { 'Content-Type': 'application/json' },
    });
    t.is(reply.status, 405, method);
  }
  t.is((await ask(`${url}${approve}`)).status, 405);
});

test('a body that is too large, broken or of another form is refused in words', async (t) => {
  const { url } = await served(t);
  const large = await post(`${url}${approve}`, { ...decision, reason: 'x'.repeat(70_000) });
  t.deepEqual([large.status, large.json.code], [413, 'BodyTooLarge']);
  const headers = { 'Content-Type': 'application/json' };
  const broken = await ask(`${url}${approve}`, { method: 'POST', headers, body: '{"digest":' });
  t.deepEqual([broken.status, broken.json.code], [400, 'ArgumentInvalid']);
  for (const [body, where] of [
    [{}, 'digest'],
    [{ digest: 'sha256:1' }, 'digest'],
    [{ ...decision, reason: 7 }, 'reason'],
    [{ ...decision, expiresAt: 'soon' }, 'expiresAt'],
    [{ ...decision, __proto__x: 1 }, ''],
  ] as const) {
    const reply = await post(`${url}${approve}`, body);
    t.deepEqual([reply.status, reply.json.code, reply.json.where ?? ''], [400, 'ArgumentInvalid', where]);
  }
});

test('parameters that there are not, and values that they do not take, are refused by name', async (t) => {
  const { url } = await served(t);
  for (const [query, where] of [
    ['nothing=1', 'nothing'],
    ['__proto__=1', '__proto__'],
    ['level=galaxy', 'level'],
    ['level=workload&level=namespace', 'level'],
    ['since=yesterday', 'since'],
    ['protocol=SMOKE', 'protocol'],
    ['state=fine', 'state.0'],
  ] as const) {
    const reply = await ask(`${url}/api/v1/graph?${query}`);
    t.deepEqual([reply.status, reply.json?.code, reply.json?.where], [400, 'ArgumentInvalid', where], query);
  }
});

test('names that look like markup come back as JSON that no browser takes for a page', async (t) => {
  const { url, graph } = await served(t);
  const markup = '<img src=x onerror=alert(1)>';
  graph.observe(sighting({ server: peer({ kind: 'external', address: '192.0.2.1' }), serverDnsNames: [markup] }));
  graph.observe(sighting({ server: peer(workload('"></script><script>')) }));
  for (const path of [
    '/api/v1/graph?level=workload',
    `/api/v1/search?q=${encodeURIComponent('<img')}`,
    `/api/v1/proposals/${encodeURIComponent(markup)}/x`,
    `/api/v1/graph?namespace=${encodeURIComponent(markup)}&x=${encodeURIComponent(markup)}`,
    `/${encodeURIComponent(markup)}`,
    '/api/v1/%E0%A4%A',
  ]) {
    const reply = await ask(`${url}${path}`);
    t.is(reply.headers['content-type'], 'application/json; charset=utf-8', path);
    t.is(reply.headers['x-content-type-options'], 'nosniff');
  }
  const formats = { gexf: 'application/gexf+xml', dot: 'text/vnd.graphviz', mermaid: 'text/plain' };
  for (const [format, type] of Object.entries(formats)) {
    const reply = await ask(`${url}/api/v1/graph?level=workload&format=${format}`);
    t.is(reply.headers['content-type'], `${type}; charset=utf-8`);
    // DOT has quotes of its own, and no program takes it for markup
    t.is(reply.text.includes('<img src'), format === 'dot');
  }
});

test('an answer that one has already is not sent again, until something changes', async (t) => {
  const { url, graph } = await served(t);
  const first = await ask(`${url}/api/v1/graph`);
  const etag = first.headers.etag ?? '';
  t.true(etag.length > 10);
  const again = await ask(`${url}/api/v1/graph`, { headers: { 'If-None-Match': etag } });
  t.deepEqual([again.status, again.bytes.length], [304, 0]);
  const other = await ask(`${url}/api/v1/graph?level=workload`, { headers: { 'If-None-Match': etag } });
  t.is(other.status, 200);
  graph.observe(sighting({ port: 9090 }));
  // an answer may be used again for a moment
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  const changed = await ask(`${url}/api/v1/graph`, { headers: { 'If-None-Match': etag } });
  t.is(changed.status, 200);
  t.is(changed.json.attributes.connections, 2);
});

test('large answers come compressed as the client takes them, and are the same', async (t) => {
  const { url, graph } = await served(t);
  for (let port = 1; port < 400; port++) graph.observe(sighting({ server: peer(workload(`w${port}`)) }));
  const path = `${url}/api/v1/graph?level=workload`;
  const plain = await ask(path);
  t.is(plain.headers['content-encoding'], undefined);
  const forms = { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync };
  for (const [name, decompress] of Object.entries(forms)) {
    const reply = await ask(path, { headers: { 'Accept-Encoding': name } });
    t.is(reply.headers['content-encoding'], name);
    t.is(reply.headers['vary'], 'Accept-Encoding, Authorization, X-Nanoseg-Authorization');
    t.true(reply.bytes.length * 5 < plain.bytes.length);
    t.is(decompress(reply.bytes).toString(), plain.text);
  }
  t.is((await ask(path, { headers: { 'Accept-Encoding': 'identity' } })).headers['content-encoding'], undefined);
});

test('who asks too often is told when to come again', async (t) => {
  const { url } = await served(t, { limits: { requests: { burst: 5, perSecond: 0.5 } } });
  const statuses = [];
  for (let i = 0; i < 7; i++) statuses.push(await ask(`${url}/api/v1/session`));
  t.deepEqual(
    statuses.map(({ status }) => status),
    [200, 200, 200, 200, 200, 429, 429],
  );
  const last = statuses.at(-1);
  t.is(last?.json.code, 'TooManyRequests');
  t.regex(last?.headers['retry-after'] ?? '', /^[12]$/);
});

test('a client that never ends its request is cut off', async (t) => {
  const { port } = await served(t, { limits: { requestMs: 300, idleMs: 300 } });
  for (const text of [
    'GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ',
    `POST ${approve} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
  ]) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.write(text);
    await closed;
    t.true(socket.destroyed);
  }
});

test('what fails inside says so to the log and nothing to the client', async (t) => {
  const lines: string[] = [];
  const log = pino({}, { write: (line: string) => void lines.push(line) });
  const { url } = await served(t, { log });
  const headers = { Authorization: 'Bearer very-secret-token' };
  const reply = await ask(`${url}/api/v1/status?`, { headers });
  t.is(reply.status, 500);
  t.deepEqual(Object.keys(reply.json), ['code', 'message']);
  t.is(reply.json.code, 'InternalError');
  t.true(lines.join('').includes('there is no status here'));
  t.false(lines.join('').includes('very-secret-token'));
});
