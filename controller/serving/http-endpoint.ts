import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { Router } from 'express';
import { openGate } from '../adapters/http/api/gate.ts';
import { EventRing } from '../adapters/http/api/event-ring.ts';
import { ApiServer, type ApiServerOptions, type Certificate } from '../adapters/http/api-server.ts';
import { loadPage } from '../adapters/http/page-bundle.ts';
import { pageRouter } from '../adapters/http/page-router.ts';
import type { Probes } from '../adapters/http/probe-server.ts';
import type { LiveInventory } from '../adapters/inventory/live-inventory.ts';
import { createKubeClient, type KubeClient } from '../adapters/kubernetes/kube-client.ts';
import { createKubernetesObjectStore } from '../adapters/kubernetes/object-store.ts';
import { TokenGate } from '../adapters/kubernetes/token-gate.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { volatileFolder } from '../adapters/workspace/workspace-lock.ts';
import { workspacePaths } from '../adapters/workspace/workspace-paths.ts';
import { type Backend, type ControllerParts, ControllerProblem } from '../backend.ts';
import { type CallerStore, callerDecisions, machineUser } from './caller-decisions.ts';
import type { ControllerConfig } from '../config.ts';
import { GraphTelling } from './graph-telling.ts';
import { LiveEvents } from './live-events.ts';
import { LiveGraph } from './live-graph.ts';
import { problem } from '../model/problem.ts';
import type { Observer } from '../observer.ts';
import { readPolicyText } from '../loop/policy-text.ts';
import { ProposalLists } from '../loop/proposal-lists.ts';
import { sourceStatus } from '../loop/profile-upkeep.ts';
import type { ReadPolicies } from '../view/decision-changes.ts';
import { effectiveProfileIn } from '../view/effective-profile.ts';
import { type OperationStatus, operationStatus } from '../view/operation-status.ts';

type HttpConfig = NonNullable<ControllerConfig['http']>;

export interface HttpEndpointParts {
  readonly parts: ControllerParts;
  readonly backend: Backend;
  readonly view: LiveInventory;
  readonly observer: Observer;
  readonly probes: Probes;
  /** Told the status of each answer. */
  readonly answered: (status: number) => void;
}

/** What changed is told so often. */
const tellMs = 500;
/** Certificates in files are read again so often, as they are rotated. */
const certificateMs = 60_000;

/** The page and the API on what the controller knows. */
export class HttpEndpoint {
  readonly #given: HttpEndpointParts;
  readonly #config: HttpConfig;
  readonly #events: LiveEvents;
  readonly #ring: EventRing;
  readonly #client: KubeClient | undefined;
  readonly #lists: ProposalLists;
  #server: ApiServer | undefined;
  #live: { readonly of: unknown; readonly graph: LiveGraph; readonly stop: AbortController } | undefined;

  private constructor(config: HttpConfig, given: HttpEndpointParts) {
    this.#config = config;
    this.#given = given;
    const { parts, view, observer } = given;
    this.#lists = new ProposalLists({ view, clock: systemClock, lookedWithin: (ms) => observer.lookedWithin(ms) });
    const { workspace, kubeconfig, context, ownNamespace: namespace } = parts.config;
    const epoch = randomBytes(4).toString('hex');
    this.#ring = new EventRing(epoch, (rows, { maySee }) => this.#liveGraph()?.changeOf(rows, maySee));
    this.#events = new LiveEvents({ view, index: () => this.#index(), ring: this.#ring, clock: systemClock });
    this.#client =
      workspace === undefined
        ? createKubeClient({ kubeconfig, context, namespace, version: parts.version })
        : undefined;
    this.#options = { epoch };
  }

  readonly #options: { readonly epoch: string };

  /** Rejects with ControllerProblem for what cannot be served so. */
  static async open(config: HttpConfig, given: HttpEndpointParts): Promise<HttpEndpoint> {
    const endpoint = new HttpEndpoint(config, given);
    try {
      await endpoint.#listen();
    } catch (error) {
      await endpoint.close();
      if (error instanceof ControllerProblem) throw error;
      throw unusable(`the page cannot be served on ${config.host} port ${config.port}: ${(error as Error).message}`);
    }
    return endpoint;
  }

  /** Tells those who listen what changes, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([
      this.#server?.streams.run(signal),
      this.#tell(signal),
      this.#lists.run(signal),
      this.#renewCertificate(signal),
    ]);
    this.#live?.stop.abort();
  }

  /** Clients that listen to events. */
  get streams(): number {
    return this.#server?.streams.size ?? 0;
  }

  async close(): Promise<void> {
    this.#events.close();
    this.#live?.stop.abort();
    await this.#server?.close();
    await this.#client?.close();
  }

  async #listen(): Promise<void> {
    const { parts, view, backend, probes, answered } = this.#given;
    const { host, port } = this.#config;
    const isLoopback = isLoopbackHost(host);
    if (this.#client === undefined && !isLoopback) {
      throw unusable(`without a cluster nobody can check who asks: the page is only for 127.0.0.1, not for ${host}`);
    }
    const certificate = await this.#certificate(isLoopback);
    const page = await pageOrNone(parts);
    const options: ApiServerOptions = {
      host,
      port,
      isLoopback,
      certificate,
      source: this.#source(),
      gate: this.#client === undefined ? openGate(machineUser()) : new TokenGate(this.#client, view, systemClock),
      ring: this.#ring,
      // what does not work names objects: the kubelet's own probes say it, and the status to those who may see it
      probes: { ...probes, degraded: () => [] },
      page,
      epoch: this.#options.epoch,
      clock: systemClock,
      log: parts.log,
      answered,
    };
    this.#server = await this.#openServer(options);
    const url = `${certificate === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${this.#server.port}`;
    parts.log.info({ url }, 'the page and the API are served');
    await this.#leaveAddress(url);
    parts.onPage?.(url);
    backend.pushAccess?.(view).subscribe(() => void this.#renew());
  }

  /** On the machine of a person any other port is as good: its address is printed. */
  async #openServer(options: ApiServerOptions): Promise<ApiServer> {
    try {
      return await ApiServer.open(options);
    } catch (error) {
      const taken = error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
      if (!taken || this.#client !== undefined) throw error;
      this.#given.parts.log.warn({ port: options.port }, 'the port of the page is taken: another one is used');
      return ApiServer.open({ ...options, port: 0 });
    }
  }

  #source(): ApiServerOptions['source'] {
    const { parts, view, backend, observer } = this.#given;
    const { config, version } = parts;
    return {
      version,
      watching: config.workspace ?? this.#client?.server ?? '',
      view,
      seen: () => {
        const graph = this.#liveGraph();
        return graph && { graph: graph.world().graph, world: () => graph.world(), revision: graph.revision };
      },
      index: () => this.#index(),
      worldOf: (profile) => observer.studyNow().worldOf(profile),
      readPolicies,
      listOf: (proposal, list) => this.#lists.of(proposal, list),
      status: async (maySee) => this.#status(maySee),
      onlyClaims: config.workspace !== undefined,
      decide: callerDecisions(view, (token) => this.#storeOf(token, backend)),
    };
  }

  /** With the token of the caller; in a workspace whoever reaches this address is the user of the machine. */
  #storeOf(token: string | undefined, backend: Backend): CallerStore {
    if (this.#client === undefined) {
      return { store: backend.storeFor(new AbortController().signal), close: async () => undefined };
    }
    const { kubeconfig, context, ownNamespace: namespace } = this.#given.parts.config;
    const { version } = this.#given.parts;
    // never the controller's own rights: without a token the API server refuses
    const client = createKubeClient({ kubeconfig, context, namespace, version, token: token ?? '' });
    return {
      store: createKubernetesObjectStore(client, { fieldManager: 'nanoseg-page' }),
      close: () => client.close(),
    };
  }

  #index() {
    return this.#given.observer.studyNow().index;
  }

  #liveGraph(): LiveGraph | undefined {
    const { observer, view } = this.#given;
    const seen = observer.seen;
    if (seen === undefined) return undefined;
    if (this.#live?.of !== seen.graph) {
      this.#live?.stop.abort();
      const stop = new AbortController();
      const study = () => observer.studyNow();
      const graph = new LiveGraph({ graph: seen.graph, study, view, clock: systemClock, lists: this.#lists });
      this.#live = { of: seen.graph, graph, stop };
      void graph.run(stop.signal);
      this.#ring.append({ kind: 'graph', rows: 'many' });
    }
    return this.#live.graph;
  }

  #status(maySee: (namespace: string) => boolean): OperationStatus {
    const { view, backend, observer, parts } = this.#given;
    const { cluster } = this.#index();
    const { holder } = backend.leadership;
    const namespaces = [...cluster.namespaces.keys()].filter(maySee).sort();
    const everywhere = view.stopped();
    const message = holder === undefined ? 'nobody leads at the moment' : `${holder} leads`;
    return operationStatus({
      server: parts.config.workspace ?? this.#client?.server ?? '',
      controller: {
        state: holder === undefined ? 'none' : 'running',
        holder: holder ?? null,
        renewedAt: null,
        message,
      },
      stopped: [
        ...(everywhere === undefined ? [] : [{ reason: everywhere }]),
        ...namespaces.flatMap((namespace) => {
          const reason = everywhere === undefined ? view.stopped(namespace) : undefined;
          return reason === undefined ? [] : [{ namespace, reason }];
        }),
      ],
      sources: (observer.seen?.ingest.health ?? []).map(sourceStatus),
      streams: observer.streams,
      namespaces,
      proposals: view.proposals().filter(({ metadata }) => maySee(metadata.namespace)),
      cluster,
      policies: view.networkPolicies(),
      effectiveOf: (namespace) => effectiveProfileIn(view, namespace),
      writtenCoverage: () => undefined,
    });
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const streams = this.#server?.streams;
    const live = () => this.#liveGraph();
    const telling = streams && new GraphTelling({ live, streams, clock: systemClock });
    while (!signal.aborted) {
      await systemClock.sleep(tellMs, signal).catch(() => undefined);
      this.#events.tell();
      telling?.tell(this.#ring);
    }
  }

  /** For `nanoseg ui`, which looks whether somebody answers there. */
  async #leaveAddress(url: string): Promise<void> {
    const { workspace } = this.#given.parts.config;
    if (workspace === undefined) return;
    await volatileFolder(workspace);
    await writeFile(workspacePaths(workspace).page, `${url}\n`);
  }

  async #certificate(isLoopback: boolean): Promise<Certificate | undefined> {
    const { cert, key } = this.#config;
    if (cert !== undefined && key !== undefined) return { cert: await fileOf(cert), key: await fileOf(key) };
    if (isLoopback) return undefined;
    return this.#given.backend.pushAccess?.(this.#given.view).servingCertificate();
  }

  async #renewCertificate(signal: AbortSignal): Promise<void> {
    if (this.#config.cert === undefined) return;
    while (!signal.aborted) {
      await systemClock.sleep(certificateMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.#renew();
    }
  }

  async #renew(): Promise<void> {
    try {
      const certificate = await this.#certificate(isLoopbackHost(this.#config.host));
      if (certificate !== undefined) this.#server?.renew(certificate);
    } catch (error) {
      this.#given.parts.log.warn({ reason: (error as Error).message }, 'the page keeps the certificate that it has');
    }
  }
}

const readPolicies: ReadPolicies = (text) => {
  const { policies = [], problems = [] } = readPolicyText(text);
  return { policies, problems };
};

/** A package that was not built has no page; the API is there all the same. */
async function pageOrNone({ log }: ControllerParts): Promise<Router | undefined> {
  try {
    return await pageRouter(await loadPage());
  } catch (error) {
    log.warn({ reason: (error as Error).message }, 'there is no page to serve: npm run build makes it');
    return undefined;
  }
}

async function fileOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw unusable(`cannot read ${path}: ${(error as Error).message}`);
  }
}

function isLoopbackHost(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

function unusable(message: string): ControllerProblem {
  return new ControllerProblem(problem('HttpUnusable', message));
}
