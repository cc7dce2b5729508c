import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { parseGrpcAddress } from '../../../controller/adapters/grpc/grpc-address.ts';
import type { GrpcError } from '../../../controller/adapters/grpc/grpc-error.ts';
import { openClient } from '../../../controller/adapters/grpc/open-client.ts';
import { type StreamOptions, serverStream } from '../../../controller/adapters/grpc/server-stream.ts';
import { unaryCall } from '../../../controller/adapters/grpc/unary-call.ts';
import { TcpLink } from '../../support/tcp-link.ts';

const never = new AbortController().signal;
const method = {
  path: '/test.Test/Stream',
  read: (bytes: Buffer, start: number, end: number) => bytes.toString('utf8', start, end),
};

async function listen(t: ExecutionContext, server: Server): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => sockets.add(socket.on('error', () => socket.destroy())));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** A server whose every call is answered by hand. */
async function answering(t: ExecutionContext, answer: (stream: ServerHttp2Stream) => void): Promise<number> {
  const server = createHttp2Server();
  server.on('stream', (stream) => {
    const call = stream as ServerHttp2Stream;
    call.on('error', () => call.destroy());
    answer(call);
  });
  return listen(t, server as unknown as Server);
}

function respond(stream: ServerHttp2Stream, trailers: Record<string, string>): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
}

function framed(message: string | Buffer, compressed = 0): Buffer {
  const body = Buffer.from(message);
  const prefix = Buffer.alloc(5);
  prefix[0] = compressed;
  prefix.writeUInt32BE(body.length, 1);
  return Buffer.concat([prefix, body]);
}

interface Outcome {
  readonly messages: readonly string[];
  readonly error: GrpcError | undefined;
}

async function readAll(port: number, options: StreamOptions = {}, maxMessageBytes = 1000): Promise<Outcome> {
  const client = await openClient('the server', parseGrpcAddress(`127.0.0.1:${port}`), { maxMessageBytes });
  const messages: string[] = [];
  try {
    for await (const arrived of serverStream(client, 'the server', method, Buffer.from('?'), never, options)) {
      messages.push(...arrived);
    }
    return { messages, error: undefined };
  } catch (error) {
    return { messages, error: error as GrpcError };
  } finally {
    client.close();
  }
}

test('messages arrive whole and in order, however the bytes were cut into pieces', async (t) => {
  let messages: readonly string[] = [];
  let cuts: readonly number[] = [];
  const port = await answering(t, (stream) => {
    respond(stream, { 'grpc-status': '0' });
    const bytes = Buffer.concat(messages.map((message) => framed(message)));
    const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
    let at = 0;
    void (async () => {
      for (const place of [...places, bytes.length]) {
        stream.write(bytes.subarray(at, place));
        at = place;
        await new Promise((resolve) => setImmediate(resolve));
      }
      stream.end();
    })();
  });
  const text = fc.string({ maxLength: 300, unit: 'grapheme' });
  await fc.assert(
    fc.asyncProperty(fc.array(text, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 12 }), async (sent, places) => {
      messages = sent;
      cuts = places;
      const { messages: got, error } = await readAll(port, { mostWaiting: 3 }, 100_000);
      t.deepEqual(got, [...sent]);
      t.is(error, undefined);
    }),
    { numRuns: 60 },
  );
});

test('a status at the end is an error in words, and what came before it is delivered', async (t) => {
  const port = await answering(t, (stream) => {
    respond(stream, { 'grpc-status': '7', 'grpc-message': 'not%20you' });
    stream.end(framed('first'));
  });
  const { messages, error } = await readAll(port);
  t.deepEqual(messages, ['first']);
  t.regex(error?.message ?? '', /^the server: it does not let us read \(not you\)/);
});

test('a message that is too large, or compressed, ends the stream and says so', async (t) => {
  let body = framed('x'.repeat(1001));
  const port = await answering(t, (stream) => {
    respond(stream, { 'grpc-status': '0' });
    stream.write(body);
  });
  t.regex((await readAll(port)).error?.message ?? '', /a limit \(it sent a message of 1001 bytes, and at most 1000/);
  body = framed('zipped', 1);
  t.regex((await readAll(port)).error?.message ?? '', /INTERNAL \(it sent a compressed message/);
});

test('a server of something else is told apart', async (t) => {
  const http = await listen(
    t,
    createHttpServer((_, response) => response.end('hello')),
  );
  t.regex((await readAll(http)).error?.message ?? '', /the server: it does not speak HTTP\/2 as gRPC does/);
  const web = await answering(t, (stream) => {
    stream.respond({ ':status': 404 });
    stream.end('nothing here');
  });
  t.regex((await readAll(web)).error?.message ?? '', /it does not offer this service \(HTTP status 404\)/);
});

test('a server that takes the connection and says nothing is given up', async (t) => {
  const port = await listen(t, createServer());
  const { error } = await readAll(port, { connectMs: 100 });
  t.regex(error?.message ?? '', /it did not answer \(no connection was made in 0\.1 s\); check/);
  t.true(error?.retryable);
});

test('a stream that is silent is asked for a sign of life: any answer will do, and none is the end', async (t) => {
  let isFrozen = false;
  let calls = 0;
  const port = await answering(t, (stream) => {
    calls++;
    if (isFrozen) return;
    if (calls === 1) {
      respond(stream, { 'grpc-status': '0' });
      stream.write(framed('hello'));
    } else stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true });
    if (calls === 4) isFrozen = true;
  });
  const { messages, error } = await readAll(port, { silenceMs: 50, answerMs: 200 });
  t.deepEqual(messages, ['hello']);
  t.true(calls >= 5, `asked ${calls - 1} times`);
  t.regex(error?.message ?? '', /it did not answer \(no sign of life in 0\.2 s\)/);
});

test('a connection that is cut is an error, also before the first message', async (t) => {
  const port = await answering(t, (stream) => {
    respond(stream, { 'grpc-status': '0' });
    setTimeout(() => stream.session?.socket.destroy(), 20);
  });
  const { error } = await readAll(port);
  t.regex(error?.message ?? '', /the server: it closed the connection/);
});

test('nothing is read from the network while the consumer does not ask', async (t) => {
  let written = 0;
  let isFull = false;
  const port = await answering(t, (stream) => {
    respond(stream, { 'grpc-status': '0' });
    const message = framed('x'.repeat(900));
    const write = () => {
      while (written < 20_000) {
        written++;
        if (!stream.write(message)) {
          isFull = true;
          stream.once('drain', write);
          return;
        }
      }
      stream.end();
    };
    write();
  });
  const client = await openClient('the server', parseGrpcAddress(`127.0.0.1:${port}`));
  t.teardown(() => client.close());
  const stream = serverStream(client, 'the server', method, Buffer.alloc(0), never, { mostWaiting: 50 });
  let count = (await stream.next()).value?.length ?? 0;
  let before = -1;
  while (written !== before) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.true(isFull && written < 10_000, `${written} were written while nobody read`);
  for await (const arrived of stream) {
    t.true(arrived.length <= 2000);
    count += arrived.length;
  }
  t.is(count, 20_000);
});

test('an abort ends a stream, a call and an attempt to connect at once, and leaves no connection', async (t) => {
  const port = await answering(t, (stream) => respond(stream, { 'grpc-status': '0' }));
  const link = await TcpLink.to(port);
  t.teardown(() => link.close());
  const mute = await listen(t, createServer());
  for (const [target, wait] of [
    [link.port, 100],
    [mute, 20],
  ] as const) {
    const stop = new AbortController();
    const client = await openClient('the server', parseGrpcAddress(`127.0.0.1:${target}`));
    setTimeout(() => stop.abort(), wait);
    for await (const _ of serverStream(client, 'the server', method, Buffer.alloc(0), stop.signal)) t.fail();
    client.close();
  }
  const stop = new AbortController();
  const client = await openClient('the server', parseGrpcAddress(`127.0.0.1:${mute}`));
  t.teardown(() => client.close());
  const call = unaryCall(client, 'the server', '/test.Test/Ask', Buffer.alloc(0), stop.signal);
  stop.abort();
  await t.throwsAsync(call, { message: /we were told to stop/ });
});
