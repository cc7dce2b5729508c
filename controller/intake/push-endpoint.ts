import { readFile } from 'node:fs/promises';
import type { Logger } from 'pino';
import { byCertificate } from '../adapters/flow-push/by-certificate.ts';
import { flowsPath, flowsRoute } from '../adapters/flow-push/flows-route.ts';
import { metricsPath, metricsRoute } from '../adapters/flow-push/metrics-route.ts';
import { openToAll } from '../adapters/flow-push/open-to-all.ts';
import type { ProducerCheck, PushAccess } from '../adapters/flow-push/producer-check.ts';
import type { PushFigures } from '../adapters/flow-push/push-figures.ts';
import { PushIntake } from '../adapters/flow-push/push-intake.ts';
import { defaultPushLimits, type PushLimits } from '../adapters/flow-push/push-limits.ts';
import { type PushAddress, PushListener, type PushTls } from '../adapters/flow-push/push-listener.ts';
import { PushRequests } from '../adapters/flow-push/push-requests.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { type Backend, type ControllerParts, ControllerProblem } from '../backend.ts';
import type { ControllerConfig } from '../config.ts';
import { problem } from '../model/problem.ts';
import type { Clock, ClusterView, FlowSource, SourcePositions } from '../ports.ts';

export interface PushEndpointOptions {
  readonly config: NonNullable<ControllerConfig['push']>;
  /** Undefined in a workspace: what only users of the machine can reach is open. */
  readonly access: PushAccess | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly figures: PushFigures;
  readonly limits?: Partial<PushLimits>;
}

/** Who reads sources: counts what they deliver, or passes it on. */
export interface TakesFlows {
  /** Reads until aborted, or until all sources have ended. */
  run(sources: readonly FlowSource[], signal: AbortSignal): Promise<void>;
}

/** What was begun before the end is read, and counted, within this. */
const lastBatchesMs = 1_500;
/** Certificates in files are looked at so often, as they are rotated. */
const filesLookMs = 30_000;

/** Where agents and exporters push flows to; a source of flows that is saved together with all others. */
export class PushEndpoint {
  readonly #intake: PushIntake;
  readonly #listeners: readonly PushListener[];
  readonly #renewing: () => void;
  readonly #options: PushEndpointOptions;

  private constructor(options: PushEndpointOptions, intake: PushIntake, listeners: readonly PushListener[]) {
    this.#options = options;
    this.#intake = intake;
    this.#listeners = listeners;
    this.#renewing = options.access?.subscribe(() => void this.#renew()) ?? (() => undefined);
  }

  /** Listens, and asks for patience until `run`. Rejects with ControllerProblem when it cannot. */
  static async open(options: PushEndpointOptions): Promise<PushEndpoint> {
    const { config, clock, log, figures } = options;
    const limits = { ...defaultPushLimits, ...options.limits };
    const intake = new PushIntake(limits, clock);
    const routes = new Map([
      [flowsPath, flowsRoute(limits.records)],
      [metricsPath, metricsRoute(limits.records)],
    ]);
    const listeners: PushListener[] = [];
    const listen = async (where: string, address: PushAddress, producers: ProducerCheck) => {
      const requests = new PushRequests({ intake, routes, producers, limits, clock, figures, log });
      const serve = (...[request, response]: Parameters<PushRequests['serve']>) =>
        void requests.serve(request, response);
      const onTurnedAway = () => figures.turnedAway();
      try {
        listeners.push(await PushListener.open(address, { limits, serve, onTurnedAway }));
      } catch (error) {
        throw unusable(`flows cannot be pushed to ${where}: ${(error as Error).message}`);
      }
      log.info({ where }, 'flows can be pushed');
    };
    try {
      const { socket, port } = config;
      if (socket !== undefined) await listen(socket, { kind: 'socket', path: socket }, openToAll);
      if (port !== undefined) {
        const { host, producers, tls } = await portOf(options);
        await listen(`port ${port}`, { kind: 'port', port, host, tls }, producers);
      }
    } catch (error) {
      for (const listener of listeners) await listener.close();
      throw error;
    }
    return new PushEndpoint(options, intake, listeners);
  }

  /** Of the port, where there is one. */
  get port(): number | undefined {
    return this.#listeners.map(({ port }) => port).find((port) => port !== undefined);
  }

  /** Of all that was begun and is not saved yet. */
  get heldBytes(): number {
    return this.#intake.heldBytes;
  }

  /**
   * Takes batches until aborted; what was begun then is still read by `taker`. `positions` are those of the store. Rejects
   * with what `taker` rejects with, and for bugs.
   */
  async run(taker: TakesFlows, positions: SourcePositions, signal: AbortSignal): Promise<void> {
    const counting = new AbortController();
    const done = new AbortController();
    const late = () =>
      void this.#options.clock.sleep(lastBatchesMs, done.signal).then(
        () => counting.abort(),
        () => undefined,
      );
    const end = () => {
      this.#intake.end();
      late();
    };
    this.#intake.open(positions);
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    try {
      await Promise.all([taker.run([this.#intake], counting.signal), this.#lookAtFiles(signal)]);
    } finally {
      done.abort();
    }
  }

  /** After the last save: answers who still waits, and closes. */
  async close(): Promise<void> {
    this.#renewing();
    this.#intake.close();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }

  async #lookAtFiles(signal: AbortSignal): Promise<void> {
    const { config, clock } = this.#options;
    if (config.cert === undefined && config.clientCa === undefined) return;
    while (!signal.aborted) {
      await clock.sleep(filesLookMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.#renew();
    }
  }

  async #renew(): Promise<void> {
    try {
      const tls = await tlsOf(this.#options);
      if (tls !== undefined) for (const listener of this.#listeners) listener.renew(tls);
    } catch (error) {
      // half of the files may be written: the next look finds the rest
      this.#options.log.warn(
        { error: (error as Error).message },
        'the push endpoint keeps the certificates that it has',
      );
    }
  }
}

/** As the configuration says it; undefined where nothing is pushed. Rejects with ControllerProblem. */
export async function openPush(
  { config, log, onPushPort }: ControllerParts,
  { pushAccess }: Backend,
  view: ClusterView,
  figures: PushFigures,
): Promise<PushEndpoint | undefined> {
  if (config.push === undefined) return undefined;
  const access = pushAccess?.(view);
  const push = await PushEndpoint.open({ config: config.push, access, clock: systemClock, log, figures });
  onPushPort?.(push.port);
  return push;
}

interface PushPort {
  readonly host: string | undefined;
  readonly producers: ProducerCheck;
  readonly tls: PushTls | undefined;
}

async function portOf(options: PushEndpointOptions): Promise<PushPort> {
  const { config, access } = options;
  const tls = await tlsOf(options);
  if (access !== undefined) {
    const { producers } = access;
    return { host: config.host, producers: config.clientCa === undefined ? producers : byCertificate(producers), tls };
  }
  const host = config.host ?? '127.0.0.1';
  if (tls !== undefined) return { host, producers: byCertificate(), tls };
  if (isLoopback(host)) return { host, producers: openToAll, tls };
  throw unusable(
    `without a cluster nobody can check tokens: pushing to ${host} needs --push-client-ca, --push-cert and --push-key`,
  );
}

/** Undefined: plain HTTP. */
async function tlsOf({ config, access }: PushEndpointOptions): Promise<PushTls | undefined> {
  const clientCa = await fileOf(config.clientCa);
  const [cert, key] = [await fileOf(config.cert), await fileOf(config.key)];
  const own = cert !== undefined && key !== undefined ? { cert, key } : access?.servingCertificate();
  if (own !== undefined) return { ...own, clientCa };
  if (clientCa === undefined) return undefined;
  throw unusable('client certificates need a certificate of the endpoint: --push-cert and --push-key');
}

async function fileOf(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw unusable(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function unusable(message: string): ControllerProblem {
  return new ControllerProblem(problem('PushUnusable', message));
}
