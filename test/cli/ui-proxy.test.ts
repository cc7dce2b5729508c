import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { UiProxy } from '../../cli/ui-proxy.ts';
import { ask, Listener, post } from '../support/http-client.ts';

async function proxied(t: ExecutionContext, serve: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(serve);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const credentials = async () => ({ headers: { authorization: 'Bearer of-the-user' }, tls: {} });
  const proxy = await UiProxy.open({ url: `http://127.0.0.1:${port}/prefix`, credentials }, 0);
  t.teardown(async () => {
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });
  return { proxy, port };
}

const echo = (request: IncomingMessage, response: ServerResponse) => {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    const { method, url, headers } = request;
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Set-Cookie': 'a=b',
      ETag: '"1"',
      'X-Inside': 'secret',
    });
    response.end(JSON.stringify({ method, url, headers, body: Buffer.concat(parts).toString() }));
  });
};

test('requests with the secret go on with the credentials of the user, and with nothing else that was sent', async (t) => {
  const { proxy } = await proxied(t, echo);
  const headers = {
    Cookie: 'c=1',
    Authorization: 'Bearer other',
    'X-Nanoseg-Authorization': 'Bearer other',
    'If-None-Match': '"0"',
    'Impersonate-User': 'admin',
  };
  const { json, headers: returned } = await ask(`${proxy.url}api/v1/graph?level=workload`, { headers });
  t.is(json.url, '/prefix/api/v1/graph?level=workload');
  t.is(json.headers.authorization, 'Bearer of-the-user');
  t.is(json.headers['if-none-match'], '"0"');
  for (const name of ['cookie', 'x-nanoseg-authorization', 'impersonate-user'])
    t.is(json.headers[name], undefined, name);
  t.is(returned.etag, '"1"');
  t.is(returned['set-cookie'], undefined);
  t.is(returned['x-inside'], undefined);
  const sent = await post(`${proxy.url}api/v1/x`, { digest: 1 });
  t.deepEqual([sent.json.method, sent.json.body], ['POST', '{"digest":1}']);
});

test('who does not know the secret gets nothing, however they ask', async (t) => {
  let asked = 0;
  const { proxy } = await proxied(t, (request, response) => {
    asked++;
    echo(request, response);
  });
  const { origin, pathname, host } = new URL(proxy.url);
  for (const path of [
    '/',
    '/api/v1/graph',
    '//',
    `${pathname.slice(0, -2)}/`,
    `${pathname.slice(0, -1)}x/`,
    `/x${pathname}`,
    pathname.toUpperCase(),
  ]) {
    t.is((await ask(`${origin}${path}`)).status, 404, path);
  }
  t.is((await ask(proxy.url, { headers: { Host: 'evil.example' } })).status, 404);
  t.is((await ask(proxy.url, { headers: { Host: `localhost:${host.split(':')[1]}` } })).status, 404);
  t.is((await ask(proxy.url, { headers: { Origin: 'http://evil.example' } })).status, 404);
  t.is((await ask(proxy.url, { method: 'DELETE' })).status, 405);
  t.is(asked, 0);
  t.is((await ask(proxy.url, { headers: { Origin: origin } })).status, 200);
});

test('events come through as they happen, and a listener that goes is gone for the controller too', async (t) => {
  let tell: (text: string) => void = () => undefined;
  const gone = Promise.withResolvers<void>();
  const { proxy } = await proxied(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.flushHeaders();
    tell = (text) => response.write(text);
    response.on('close', () => gone.resolve());
  });
  const listener = await Listener.open(`${proxy.url}api/v1/events`);
  tell('event: one\nid: 1\ndata: {}\n\n');
  await listener.hears(({ event }) => event === 'one');
  tell('event: two\nid: 2\ndata: {}\n\n');
  await listener.hears(({ event }) => event === 'two');
  listener.close();
  await gone.promise;
  t.pass();
});

test('a controller that cannot be reached is said in the form of the API', async (t) => {
  const proxy = await UiProxy.open(
    { url: 'http://127.0.0.1:9', credentials: async () => ({ headers: {}, tls: {} }) },
    0,
  );
  t.teardown(() => proxy.close());
  const reply = await ask(`${proxy.url}api/v1/session`);
  t.deepEqual([reply.status, reply.json.code], [502, 'ClusterUnreachable']);
});
