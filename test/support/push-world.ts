import { request as plainRequest } from 'node:http';
import { request as secureRequest, type RequestOptions } from 'node:https';
import { gzipSync } from 'node:zlib';
import { pino } from 'pino';
import { encodeFlow } from '../../controller/adapters/flow-file/nanoseg-line.ts';
import type { PushAccess } from '../../controller/adapters/flow-push/producer-check.ts';
import type { PushFigures } from '../../controller/adapters/flow-push/push-figures.ts';
import type { PushLimits } from '../../controller/adapters/flow-push/push-limits.ts';
import { MemoryConnectionStore } from '../../controller/adapters/memory/memory-connection-store.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { ControllerConfig } from '../../controller/config.ts';
import { EvidenceKeeper } from '../../controller/intake/evidence-keeper.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { LiveIngest } from '../../controller/intake/live-ingest.ts';
import type { Flow } from '../../controller/model/flow.ts';
import type { Clock, ConnectionStore } from '../../controller/ports.ts';
import { PushEndpoint } from '../../controller/intake/push-endpoint.ts';
import { buildCluster } from './build-cluster.ts';
import { minuteMs } from './sightings.ts';
import { StaticView } from './static-view.ts';
import { flow } from './flows.ts';

/** Two workloads, one pod each. */
export const pushedCluster = buildCluster([
  { name: 'web', labels: { app: 'web' }, pods: [{ name: 'web-1', ips: ['10.244.0.1'] }] },
  { name: 'cart', labels: { app: 'cart' }, pods: [{ name: 'cart-1', ips: ['10.244.0.2'] }] },
]);

export function pushedFlow(facts: Partial<Flow> = {}): Flow {
  return flow({ timeMs: Date.now() - minuteMs, clientPort: 0, source: 'conntrack', ...facts });
}

export function linesOf(...flows: readonly Flow[]): string {
  return flows.map((flow) => `${encodeFlow(flow)}\n`).join('');
}

export interface PushReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly raw: Buffer;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the endpoint says, looked at by assertions
  readonly body: any;
}

export interface PushRequest extends RequestOptions {
  readonly body?: string | Uint8Array;
  readonly tls?: boolean;
}

/** One request as a client would make it, without any code of nanoseg; the connection is not used again. */
export function pushTo({ body = '', tls = false, ...options }: PushRequest): Promise<PushReply> {
  return new Promise((resolve, reject) => {
    const all = { method: 'POST', path: '/v1/flows', agent: false as const, ...options };
    const asked = tls ? secureRequest(all) : plainRequest(all);
    asked.on('error', reject);
    asked.on('response', (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const raw = Buffer.concat(parts);
        const isJson = response.headers['content-type'] === 'application/json';
        const { statusCode: status = 0, headers } = response;
        resolve({ status, headers, raw, body: isJson ? JSON.parse(raw.toString()) : undefined });
      });
    });
    asked.end(body);
  });
}

export const lineHeaders = { 'content-type': 'application/x-ndjson' } as const;

export function numbered(producer: string, sequence: number): Record<string, string> {
  return { ...lineHeaders, 'nanoseg-producer': producer, 'nanoseg-sequence': String(sequence) };
}

export interface PushWorldOptions {
  readonly store?: ConnectionStore;
  readonly limits?: Partial<PushLimits>;
  readonly config?: NonNullable<ControllerConfig['push']>;
  readonly access?: PushAccess;
  /** The authority of the certificate that `access` serves. */
  readonly ca?: string;
  readonly clock?: Clock;
  readonly graceMs?: number;
  readonly flushMs?: number;
}

/** An endpoint with all that is behind it in a controller, on a real port. */
export class PushWorld {
  readonly endpoint: PushEndpoint;
  readonly graph: TrafficGraph;
  readonly ingest: LiveIngest;
  readonly view = new StaticView(pushedCluster);
  readonly refused = new Map<string, number>();
  readonly figures = { turnedAway: 0, taken: 0, repeated: 0 };
  readonly #stop = new AbortController();
  readonly #options: PushWorldOptions;
  #running: Promise<unknown> | undefined;
  #keeper: EvidenceKeeper | undefined;

  private constructor(endpoint: PushEndpoint, options: PushWorldOptions) {
    this.endpoint = endpoint;
    this.#options = options;
    this.graph = new TrafficGraph({ binMs: 5 * minuteMs, saved: true });
    const { clock = systemClock, graceMs = 100 } = options;
    this.ingest = new LiveIngest({ view: this.view, graph: this.graph, clock, graceMs });
  }

  /** Listens; nothing is taken before `run`. */
  static async open(options: PushWorldOptions = {}): Promise<PushWorld> {
    const { config = { port: 0 }, limits = {}, access, clock = systemClock } = options;
    let world: PushWorld | undefined;
    const figures: PushFigures = {
      taken: () => void (world && world.figures.taken++),
      repeated: () => void (world && world.figures.repeated++),
      refused: (code) => void world?.refused.set(code, (world.refused.get(code) ?? 0) + 1),
      turnedAway: () => void (world && world.figures.turnedAway++),
      received: () => undefined,
      held: () => undefined,
    };
    const log = pino({ level: process.env['NANOSEG_TEST_LOG'] ?? 'silent' });
    const endpoint = await PushEndpoint.open({ config, access, clock, log, figures, limits });
    world = new PushWorld(endpoint, options);
    return world;
  }

  static async running(options: PushWorldOptions = {}): Promise<PushWorld> {
    const world = await PushWorld.open(options);
    await world.run();
    return world;
  }

  async run(): Promise<void> {
    const { store = new MemoryConnectionStore(), clock = systemClock, flushMs = 5_000 } = this.#options;
    const keeper = new EvidenceKeeper({ store, graph: this.graph, ingest: this.ingest, clock, flushMs });
    const positions = await keeper.load();
    if ('code' in positions) throw new Error(positions.message);
    this.#keeper = keeper;
    const { signal } = this.#stop;
    this.#running = Promise.all([this.endpoint.run(this.ingest, positions, signal), keeper.run(signal)]);
  }

  /** As the controller ends; the store stays open for the next one. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    await this.#keeper?.save();
    await this.endpoint.close();
  }

  /** To the port, as JSON lines unless headers say otherwise. */
  push(
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> = {},
    path = '/v1/flows',
  ): Promise<PushReply> {
    const { port } = this.endpoint;
    const { ca } = this.#options;
    const tls = ca === undefined ? {} : { tls: true, ca };
    return pushTo({ ...tls, host: '127.0.0.1', port: port ?? 0, path, headers: { ...lineHeaders, ...headers }, body });
  }

  pushZipped(body: string, headers: Readonly<Record<string, string>> = {}): Promise<PushReply> {
    return this.push(gzipSync(body), { 'content-encoding': 'gzip', ...headers });
  }

  /** `client>server:TCP/port allowed`, sorted. */
  seen(): string[] {
    return [...this.graph.connections()]
      .map(({ id, evidence }) => `${id.replaceAll('workload:shop/Deployment/', '')} ${evidence.allowed}`)
      .sort();
  }
}

/** A store that can be made to wait, and to fail. */
export class ObstructedStore extends MemoryConnectionStore {
  saves = 0;
  failure: Error | undefined;
  #gate = Promise.resolve();
  #open: () => void = () => undefined;

  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#gate = promise;
    this.#open = resolve;
  }

  release(): void {
    this.#open();
  }

  override async save(...step: Parameters<MemoryConnectionStore['save']>): Promise<void> {
    await this.#gate;
    if (this.failure !== undefined) throw this.failure;
    this.saves++;
    await super.save(...step);
  }
}
