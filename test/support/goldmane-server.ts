import { once } from 'node:events';
import {
  Metadata,
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import { Reader, Writer } from 'protobufjs/minimal.js';

/** A FlowResult of Goldmane, but for its bucket; what is left out is proto3's default. */
export interface GoldmaneResult {
  readonly source: GoldmaneSide;
  readonly dest: GoldmaneSide;
  readonly port?: number;
  readonly proto?: string;
  /** 1: the source's node, 2: the destination's. */
  readonly reporter: 1 | 2;
  /** 1: allow, 2: deny, 3: pass. */
  readonly action: number;
  /** What staged policies would do: the actions of the trace. */
  readonly pending?: readonly number[];
  readonly packetsIn?: number;
  readonly packetsOut?: number;
  readonly bytesIn?: number;
  readonly bytesOut?: number;
  readonly started?: number;
  readonly service?: { readonly namespace: string; readonly name: string };
}

export interface GoldmaneSide {
  readonly name: string;
  readonly namespace?: string;
  /** 1: pods, 2: host, 3: network set, 4: network. */
  readonly type: number;
  readonly labels?: readonly string[];
}

const bucketS = 15;
type Stream = ServerWritableStream<Buffer, Buffer>;

interface Bucket {
  readonly startS: number;
  /** FlowResults as they are sent. */
  readonly results: readonly Buffer[];
  /** Something that went wrong on the server's side: it is in its memory and was never streamed. */
  readonly isStreamed: boolean;
}

interface GoldmaneServerOptions {
  /** PEM: who signs clients, and what the server shows. */
  readonly authority: string;
  readonly certificate: string;
  readonly privateKey: string;
  /** Beginning of the first bucket, in seconds. @default a round time in 2026 */
  readonly firstS?: number;
  /** Whether a stream begins with the buckets that are there already, where it is asked to. @default true */
  readonly replays?: boolean;
}

/**
 * Goldmane's Flows service as its proto file and its documentation say: mutual TLS, buckets of 15 seconds that are
 * streamed when they are complete, and lists of what is kept. Buckets come when the test says so.
 */
export class GoldmaneServer {
  readonly #options: GoldmaneServerOptions;
  readonly #streams = new Set<Stream>();
  #server = new Server();
  #port = 0;
  #buckets: Bucket[] = [];
  #nextS: number;
  #sent = 0;
  #id = 0;
  /** Requests to List, each as its range in seconds. */
  readonly lists: (readonly [fromS: number, untilS: number])[] = [];

  private constructor(options: GoldmaneServerOptions) {
    this.#options = options;
    this.#nextS = options.firstS ?? 1_795_000_005;
  }

  static async start(options: GoldmaneServerOptions): Promise<GoldmaneServer> {
    const server = new GoldmaneServer(options);
    await server.#listen();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  get readers(): number {
    return this.#streams.size;
  }

  /** Messages handed to the network. */
  get sent(): number {
    return this.#sent;
  }

  /** A bucket is complete; answers with its beginning in seconds. */
  bucket(results: readonly GoldmaneResult[], { isStreamed = true, seconds = bucketS } = {}): number {
    const startS = this.#nextS;
    this.#nextS += seconds;
    const bucket = { startS, isStreamed, results: results.map((result) => encodeResult(result, startS, ++this.#id)) };
    this.#buckets.push(bucket);
    if (isStreamed) for (const stream of this.#streams) void this.#send(stream, bucket.results);
    return startS;
  }

  /** Sends this instead of a FlowResult. */
  sendRaw(bytes: Buffer): void {
    for (const stream of this.#streams) void this.#send(stream, [bytes]);
  }

  /** The clock goes on, and nothing happens. */
  pass(buckets: number): void {
    this.#nextS += buckets * bucketS;
  }

  /** As when its pod is replaced: another process at the same address, that knows nothing of what was. */
  async restart({ atS = this.#nextS }: { readonly atS?: number } = {}): Promise<void> {
    this.#server.forceShutdown();
    this.#buckets = [];
    this.#nextS = atS;
    this.#server = new Server();
    await this.#listen();
  }

  close(): void {
    this.#server.forceShutdown();
  }

  async #listen(): Promise<void> {
    const { authority, certificate, privateKey } = this.#options;
    const pair = { cert_chain: Buffer.from(certificate), private_key: Buffer.from(privateKey) };
    const credentials = ServerCredentials.createSsl(Buffer.from(authority), [pair], true);
    const same = (bytes: Buffer) => bytes;
    const method = (path: string, responseStream: boolean) => ({
      path,
      requestStream: false,
      responseStream,
      requestSerialize: same,
      requestDeserialize: same,
      responseSerialize: same,
      responseDeserialize: same,
    });
    this.#server.addService(
      { stream: method('/goldmane.Flows/Stream', true), list: method('/goldmane.Flows/List', false) },
      {
        stream: (call: Stream) => this.#stream(call),
        list: (call: ServerUnaryCall<Buffer, Buffer>, reply: sendUnaryData<Buffer>) =>
          reply(null, this.#list(call.request)),
      },
    );
    this.#port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync(`127.0.0.1:${this.#port}`, credentials, (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  }

  #stream(call: Stream): void {
    const fromS = integers(call.request).get(1) ?? 0;
    const { replays = true } = this.#options;
    const there = replays && fromS !== 0 ? this.#buckets.filter(({ startS }) => startS >= this.#absolute(fromS)) : [];
    this.#streams.add(call);
    call.on('cancelled', () => this.#streams.delete(call));
    // what a real one does too: the answer has begun before the first bucket
    call.sendMetadata(new Metadata());
    void this.#send(
      call,
      there.flatMap(({ isStreamed, results }) => (isStreamed ? results : [])),
    );
  }

  readonly #sending = new WeakMap<Stream, Promise<void>>();

  #send(call: Stream, messages: readonly Buffer[]): Promise<void> {
    const next = (this.#sending.get(call) ?? Promise.resolve()).then(async () => {
      for (const message of messages) {
        if (call.cancelled) return;
        this.#sent++;
        if (!call.write(message)) await writable(call);
      }
    });
    this.#sending.set(call, next);
    return next;
  }

  /** One result for each key over the whole range, in pages. */
  #list(request: Buffer): Buffer {
    const asked = integers(request);
    const [fromS, untilS] = [this.#absolute(asked.get(1) ?? 0), this.#absolute(asked.get(2) ?? 0)];
    this.lists.push([fromS, untilS]);
    const size = asked.get(4) ?? 0;
    const found = this.#buckets.filter(({ startS }) => startS >= fromS && (untilS === 0 || startS < untilS));
    const results = [...new Map(found.flatMap(({ results: all }) => all).map((each) => [keyOf(each), each])).values()];
    const page = size === 0 ? results : results.slice((asked.get(3) ?? 0) * size, ((asked.get(3) ?? 0) + 1) * size);
    const pages = size === 0 ? 1 : Math.ceil(results.length / size);
    const writer = Writer.create()
      .uint32(varint(1) + 2)
      .fork()
      .uint32(varint(1))
      .int64(pages);
    writer.uint32(varint(2)).int64(results.length).ldelim();
    for (const result of page) writer.uint32(varint(2) + 2).bytes(result);
    return Buffer.from(writer.finish());
  }

  #absolute(seconds: number): number {
    return seconds < 0 ? this.#nextS + seconds : seconds;
  }
}

async function writable(call: Stream): Promise<void> {
  const waited = new AbortController();
  const { signal } = waited;
  try {
    await Promise.race([once(call, 'drain', { signal }), once(call, 'cancelled', { signal })]);
  } finally {
    waited.abort();
  }
}

/** A FlowResult on the wire. */
export function encodeResult(result: GoldmaneResult, startS: number, id: number): Buffer {
  const { source, dest, port = 0, proto = 'tcp', reporter, action, pending = [] } = result;
  const key = Writer.create();
  text(key, 1, source.name);
  text(key, 2, source.namespace);
  number(key, 3, source.type);
  text(key, 4, dest.name);
  text(key, 5, dest.namespace);
  number(key, 6, dest.type);
  number(key, 7, port);
  text(key, 8, result.service?.name);
  text(key, 9, result.service?.namespace);
  text(key, 12, proto);
  number(key, 13, reporter);
  number(key, 14, action);
  const trace = Writer.create();
  for (const hit of pending) number(trace.uint32(varint(2) + 2).fork(), 5, hit).ldelim();
  key.uint32(varint(15) + 2).bytes(trace.finish());
  const flow = Writer.create()
    .uint32(varint(1) + 2)
    .bytes(key.finish());
  number(flow, 2, startS);
  number(flow, 3, startS + bucketS);
  for (const label of source.labels ?? []) text(flow, 4, label);
  for (const label of dest.labels ?? []) text(flow, 5, label);
  number(flow, 6, result.packetsIn);
  number(flow, 7, result.packetsOut);
  number(flow, 8, result.bytesIn);
  number(flow, 9, result.bytesOut);
  number(flow, 10, result.started);
  const whole = Writer.create()
    .uint32(varint(1))
    .int64(id)
    .uint32(varint(2) + 2)
    .bytes(flow.finish());
  return Buffer.from(whole.finish());
}

function text(writer: Writer, field: number, value = ''): Writer {
  return value === '' ? writer : writer.uint32(varint(field) + 2).string(value);
}

function number(writer: Writer, field: number, value = 0): Writer {
  return value === 0 ? writer : writer.uint32(varint(field)).int64(value);
}

/** The tag of a varint field; two more is that of bytes. */
function varint(field: number): number {
  return field << 3;
}

/** The key of a FlowResult, as text. */
function keyOf(result: Buffer): string {
  const reader = Reader.create(result);
  reader.uint32();
  reader.int64();
  reader.uint32();
  const flow = Reader.create(reader.bytes());
  flow.uint32();
  return Buffer.from(flow.bytes()).toString('latin1');
}

/** The integers of a message, by their fields. */
function integers(bytes: Buffer): Map<number, number> {
  const found = new Map<number, number>();
  const reader = Reader.create(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if ((tag & 7) === 0) found.set(tag >>> 3, Number(reader.int64()));
    else reader.skipType(tag & 7);
  }
  return found;
}
