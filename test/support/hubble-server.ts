import { rmSync } from 'node:fs';
import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js';
import { decodeHubble, encodeHubble } from './hubble-encoding.ts';
import type { TestCertificate } from './test-certificates.ts';

/** A response of GetFlows as Hubble's CLI prints it. */
export type HubbleRecord = { readonly [key: string]: unknown };

export interface HubbleServerOptions {
  /** @default a port of 127.0.0.1 */
  readonly socket?: string;
  /** Without, plain text; with `clientCa`, clients must show a certificate that it signed. */
  readonly tls?: TestCertificate & { readonly clientCa?: string };
  /** Events that it remembers. @default 4095 */
  readonly ring?: number;
  /** Answers every call with this status instead. */
  readonly refuse?: { readonly code: status; readonly details: string };
}

interface Remembered {
  readonly bytes: Buffer;
  readonly record: HubbleRecord;
  readonly timeUs: number;
}

type Call = ServerWritableStream<Buffer, Buffer>;
const same = (bytes: Buffer) => bytes;
const method = (path: string, responseStream: boolean) => ({
  path: `/observer.Observer/${path}`,
  requestStream: false,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
});

/**
 * A server of Hubble's Observer service on a real socket, true to what the agent does: a ring of events, `since`, `number`
 * and `follow`, whitelists by event type and reply, lost events to readers that the ring has overrun.
 */
export class HubbleServer {
  readonly address: string;
  /** Requests of GetFlows so far, decoded. */
  readonly requests: HubbleRecord[] = [];
  /** Flows per second that it says it sees; undefined: what it has in its ring, all in the last minute. */
  flowsPerSecond: number | undefined;
  readonly #server: Server;
  readonly #options: HubbleServerOptions;
  readonly #ring: Remembered[] = [];
  /** Events before the first of the ring. */
  #forgotten = 0;
  #sent = 0;
  readonly #readers = new Set<Call>();
  readonly #wake = new Set<() => void>();

  private constructor(server: Server, address: string, options: HubbleServerOptions) {
    this.#server = server;
    this.address = address;
    this.#options = options;
  }

  static async start(options: HubbleServerOptions = {}): Promise<HubbleServer> {
    const server = new Server();
    const { socket, tls } = options;
    const credentials =
      tls === undefined
        ? ServerCredentials.createInsecure()
        : ServerCredentials.createSsl(
            tls.clientCa === undefined ? null : Buffer.from(tls.clientCa),
            [{ private_key: Buffer.from(tls.privateKey), cert_chain: Buffer.from(tls.certificate) }],
            tls.clientCa !== undefined,
          );
    const started = Promise.withResolvers<HubbleServer>();
    server.addService(
      { GetFlows: method('GetFlows', true), ServerStatus: method('ServerStatus', false) },
      {
        GetFlows: (call: Call) => void started.promise.then((self) => self.#serve(call)),
        ServerStatus: (_: unknown, reply: (error: object | null, bytes?: Buffer) => void) =>
          void started.promise.then((self) => self.#status(reply)),
      },
    );
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(socket === undefined ? '127.0.0.1:0' : `unix://${socket}`, credentials, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      ),
    );
    const address = socket === undefined ? `${tls === undefined ? '' : 'tls://'}127.0.0.1:${port}` : `unix://${socket}`;
    started.resolve(new HubbleServer(server, address, options));
    return started.promise;
  }

  get port(): number {
    return Number(/\d+$/.exec(this.address)?.[0]);
  }

  /** Calls of GetFlows that are being served. */
  get readers(): number {
    return this.#readers.size;
  }

  /** Events that were handed to the network so far, to all readers. */
  get sent(): number {
    return this.#sent;
  }

  /** Something happens on a node: it is remembered, and told to who follows. */
  report(...records: readonly HubbleRecord[]): void {
    for (const record of records) {
      this.#keep({ record, bytes: encodeHubble('GetFlowsResponse', record), timeUs: timeUsOf(record) });
    }
  }

  /** The same event so many times, but for its uuid. */
  flood(record: HubbleRecord, count: number): void {
    const uuid = (record['flow'] as HubbleRecord)['uuid'] as string;
    const bytes = encodeHubble('GetFlowsResponse', record);
    const at = bytes.indexOf(uuid);
    const timeUs = timeUsOf(record);
    for (let i = 0; i < count; i++) {
      const copy = Buffer.from(bytes);
      copy.write(i.toString(16).padStart(8, '0'), at, 'latin1');
      this.#keep({ record, bytes: copy, timeUs });
    }
  }

  /** Bytes that are no message, in place of one. */
  reportBytes(bytes: Buffer): void {
    this.#keep({ record: {}, bytes, timeUs: Number.POSITIVE_INFINITY });
  }

  /** It is started anew: streams end and nothing is remembered. */
  restart(): void {
    this.#forgotten += this.#ring.length;
    this.#ring.length = 0;
    this.endStreams();
  }

  endStreams(): void {
    for (const call of this.#readers) call.end();
  }

  /** Waits for clients to close their connections. Rejects when one does not. */
  async close(): Promise<void> {
    let isLeft = false;
    const limit = setTimeout(() => {
      isLeft = true;
      this.#server.forceShutdown();
    }, 5_000);
    await new Promise<void>((resolve) => this.#server.tryShutdown(() => resolve()));
    clearTimeout(limit);
    this.#removeSocket();
    if (isLeft) throw new Error('a client left its connection open');
  }

  kill(): void {
    this.#server.forceShutdown();
    this.#removeSocket();
  }

  #removeSocket(): void {
    if (this.#options.socket !== undefined) rmSync(this.#options.socket, { force: true });
  }

  #keep(event: Remembered): void {
    this.#ring.push(event);
    if (this.#ring.length > (this.#options.ring ?? 4095)) {
      this.#ring.shift();
      this.#forgotten++;
    }
    for (const wake of this.#wake) wake();
  }

  #status(reply: (error: object | null, bytes?: Buffer) => void): void {
    if (this.#options.refuse !== undefined) return reply(this.#options.refuse);
    const json = {
      num_flows: this.#ring.length,
      max_flows: this.#options.ring ?? 4095,
      seen_flows: this.#forgotten + this.#ring.length,
      num_connected_nodes: 2,
      flows_rate: this.flowsPerSecond ?? this.#ring.length / 60,
    };
    reply(null, encodeHubble('ServerStatusResponse', json));
  }

  async #serve(call: Call): Promise<void> {
    if (this.#options.refuse !== undefined) {
      call.emit('error', this.#options.refuse);
      return;
    }
    const request = decodeHubble('GetFlowsRequest', call.request);
    this.requests.push(request);
    if (request['first'] === true && request['follow'] === true) {
      call.emit('error', { code: status.INVALID_ARGUMENT, details: 'first cannot be specified with follow' });
      return;
    }
    this.#readers.add(call);
    const gone = new Promise<void>((resolve) => {
      call.once('cancelled', resolve);
      call.once('finish', resolve);
      call.once('error', () => resolve());
    });
    let isGone = false;
    void gone.then(() => {
      isGone = true;
      this.#readers.delete(call);
    });
    const sinceUs = timestampUs(request['since']);
    let next = this.#start(request, sinceUs);
    for (;;) {
      if (isGone) return;
      if (next < this.#forgotten) {
        const lost = this.#forgotten - next;
        next = this.#forgotten;
        const lostEvents = { source: 'HUBBLE_RING_BUFFER', num_events_lost: String(lost) };
        const time = new Date().toISOString();
        const record = { lost_events: lostEvents, node_name: 'default/node-a', time };
        await this.#send(call, encodeHubble('GetFlowsResponse', record), gone);
      }
      const event = this.#ring[next - this.#forgotten];
      if (event !== undefined) {
        next++;
        if (this.#isWanted(event, request, sinceUs)) {
          this.#sent++;
          await this.#send(call, event.bytes, gone);
        }
      } else if (request['follow'] === true) await this.#news(gone);
      else {
        call.end();
        return;
      }
    }
  }

  /** Number of the first event to look at. */
  #start(request: HubbleRecord, sinceUs: number | undefined): number {
    const end = this.#forgotten + this.#ring.length;
    if (sinceUs !== undefined || request['first'] === true) return this.#forgotten;
    const number = request['number'] as number;
    if (number === 0) return request['follow'] === true ? end : this.#forgotten;
    return Math.max(this.#forgotten, end - number);
  }

  #isWanted({ record, timeUs }: Remembered, request: HubbleRecord, sinceUs: number | undefined): boolean {
    const flow = record['flow'] as HubbleRecord | undefined;
    if (flow === undefined) return true;
    if (sinceUs !== undefined && timeUs < sinceUs) return false;
    const whitelist = request['whitelist'] as readonly HubbleRecord[];
    return whitelist.length === 0 || whitelist.some((filter) => isMatch(filter, flow));
  }

  async #send(call: Call, bytes: Buffer, gone: Promise<void>): Promise<void> {
    if (call.write(bytes)) return;
    await Promise.race([new Promise<void>((resolve) => call.once('drain', resolve)), gone]);
  }

  async #news(gone: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake.add(resolve);
    await Promise.race([promise, gone]);
    this.#wake.delete(resolve);
  }
}

/** What is in all of the filter's fields; only those that nanoseg asks for are known. */
function isMatch(filter: HubbleRecord, flow: HubbleRecord): boolean {
  const types = filter['event_type'] as readonly HubbleRecord[];
  const type = (flow['event_type'] as HubbleRecord | undefined)?.['type'] ?? 0;
  if (types.length > 0 && !types.some((wanted) => wanted['type'] === type)) return false;
  const replies = filter['reply'] as readonly boolean[];
  if (replies.length === 0) return true;
  // a drop of which nobody knows whether it is a reply counts as none
  const isReply = flow['is_reply'] ?? (flow['verdict'] === 'DROPPED' ? false : undefined);
  return replies.includes(isReply as boolean);
}

function timeUsOf(record: HubbleRecord): number {
  const text = (record['flow'] as HubbleRecord | undefined)?.['time'] ?? record['time'];
  const [, second = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text as string) ?? [];
  return Date.parse(`${second}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

function timestampUs(value: unknown): number | undefined {
  if (value === null || value === undefined) return undefined;
  const { seconds, nanos } = value as { seconds: number; nanos: number };
  return seconds * 1e6 + nanos / 1000;
}
