import { createHash, randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { AdmissionServer } from './adapters/admission/admission-server.ts';
import { verifyStamp } from './adapters/admission/approval-stamp.ts';
import { keepWebhookInstalled } from './adapters/admission/install-webhook.ts';
import { KeyRing, serviceHosts } from './adapters/admission/key-ring.ts';
import { keySealing } from './adapters/admission/key-sealing.ts';
import { ConfigMapAuditLog } from './adapters/audit/config-map-audit-log.ts';
import { FileAuditLog } from './adapters/audit/file-audit-log.ts';
import { serveProbes } from './adapters/http/probe-server.ts';
import { keepFields } from './adapters/inventory/keep-fields.ts';
import { LiveInventory } from './adapters/inventory/live-inventory.ts';
import { createEventRecorder } from './adapters/kubernetes/event-recorder.ts';
import { createKubeClient } from './adapters/kubernetes/kube-client.ts';
import { createLeaseLeadership } from './adapters/kubernetes/lease-leadership.ts';
import { createKubernetesFeed } from './adapters/kubernetes/object-feed.ts';
import { createKubernetesObjectStore } from './adapters/kubernetes/object-store.ts';
import { ownIdentity } from './adapters/kubernetes/own-identity.ts';
import { MemoryConnectionStore } from './adapters/memory/memory-connection-store.ts';
import { ControllerMetrics } from './adapters/prometheus/metrics.ts';
import { SqliteConnectionStore } from './adapters/sqlite/sqlite-connection-store.ts';
import { systemClock } from './adapters/system-clock.ts';
import { DirectoryFeed } from './adapters/workspace/directory-feed.ts';
import { DirectoryLock } from './adapters/workspace/directory-lock.ts';
import { DirectoryStore } from './adapters/workspace/directory-store.ts';
import { EventFile } from './adapters/workspace/event-file.ts';
import { ManifestFolders } from './adapters/workspace/manifest-folders.ts';
import { volatileFolder } from './adapters/workspace/workspace-lock.ts';
import { Analyst } from './analyst.ts';
import { type ClusterStudy, clusterStudy } from './cluster-study.ts';
import type { ControllerConfig } from './config.ts';
import { EvidenceKeeper } from './evidence-keeper.ts';
import { FlowFiles } from './flow-files.ts';
import { FlowWatch } from './flow-watch.ts';
import { TrafficGraph } from './graph/traffic-graph.ts';
import { LiveIngest } from './live-ingest.ts';
import { type Cluster, withObserved } from './model/cluster.ts';
import type { ProposalStatus } from './model/policy-proposal.ts';
import type { ApprovalSpec } from './model/policy-approval.ts';
import { ClusterError } from './model/cluster-error.ts';
import { type Problem, problem } from './model/problem.ts';
import { dialect } from './policy/dialects/dialects.ts';
import type {
  AuditLog,
  ConnectionStore,
  EventRecorder,
  Leadership,
  Notifier,
  ObjectFeed,
  ObjectStore,
  Sealing,
} from './ports.ts';
import { closingProposalName } from './made-proposal.ts';
import { tendProfiles } from './profile-upkeep.ts';
import { ProposalLoop } from './proposal-loop.ts';
import { ProposalStudy } from './proposal-study.ts';
import { SealedProposals } from './sealed-proposals.ts';
import { FlowJudge } from './reconcile/flow-judge.ts';

/** What stands behind the ports: a cluster, or a workspace directory. */
interface Backend {
  readonly feed: ObjectFeed;
  /** Aborting the signal cuts off writes under way. */
  readonly storeFor: (signal: AbortSignal) => ObjectStore;
  readonly leadership: Leadership;
  /** Aborting the signal cuts off writes under way. */
  readonly auditFor: (signal: AbortSignal) => AuditLog;
  readonly events: EventRecorder;
  readonly openEvidence: () => Promise<ConnectionStore>;
  readonly verifyStamp: (namespace: string, spec: ApprovalSpec) => string;
  /** Undefined: nobody but nanoseg and who is trusted with the files writes here. */
  readonly sealing: Sealing | undefined;
  readonly controllerUser: string | undefined;
  /** What does not work now, while all else goes on. */
  readonly degraded: () => readonly Problem[];
  /** What runs beside the loop, on every replica. Rejects only for bugs. */
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

/** One round of looking at everything. */
export interface Round {
  readonly number: number;
  /** By `namespace/name`. */
  readonly proposals: ReadonlyMap<string, ProposalStatus>;
  readonly view: LiveInventory;
  readonly ingest: LiveIngest;
  readonly connections: number;
  /** All that is in the flow files was read before the round began. */
  readonly caughtUp: boolean;
}

export interface ControllerParts {
  readonly config: ControllerConfig;
  readonly version: string;
  readonly log: Logger;
  readonly notifier: Notifier;
  readonly onRound?: (round: Round) => void;
  /** The address on which probes answer is known. */
  readonly onHealthPort?: (port: number) => void;
}

/** A fault that ends the controller before it began: a problem that a person can repair. */
export class ControllerProblem extends Error {
  readonly problem: Problem;

  constructor(found: Problem) {
    super(found.message);
    this.name = 'ControllerProblem';
    this.problem = found;
  }
}

/** Longer than this the loop does not wait for the reading of what was recorded before. */
const backlogMs = 30_000;
/** Rounds of a run that ends by itself follow each other quickly. */
const onceRefreshMs = 200;
const identity = `${hostname()}-${randomUUID().slice(0, 8)}`;
const hash = (text: string) => createHash('sha256').update(text).digest('hex');

/** Runs a controller until aborted. Rejects for what nobody outside of it can repair, and with ControllerProblem. */
export async function runController(parts: ControllerParts, signal: AbortSignal): Promise<void> {
  const { config, log } = parts;
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const metrics = new ControllerMetrics();
  const view = new LiveInventory({ ownNamespace: config.ownNamespace, clock: systemClock });
  const backend = await (config.workspace === undefined
    ? clusterBackend(parts, running)
    : workspaceBackend(config.workspace, parts));
  let synced = false;
  void view.synced.then(() => (synced = true));
  const health =
    config.health &&
    (await serveProbes(config.health.port, config.health.host, {
      unready: () => (synced ? undefined : 'the cluster has not been read yet'),
      degraded: () => [...view.problems().filter(({ code }) => missingKinds.has(code)), ...backend.degraded()],
      metrics: () => metrics.text(),
    }));
  if (health) parts.onHealthPort?.(health.port);
  const observer = new Observer(parts, view, metrics);
  const isShared = config.workspace === undefined;
  let tasks: readonly Promise<void>[] = [];
  try {
    tasks = [
      backend.feed.run(view.sink, running),
      backend.run(running),
      // every replica of a cluster observes and has evidence of its own; a workspace has one file of it
      ...(isShared ? [observer.run(backend, running)] : []),
      backend.leadership.run(async (lead) => {
        metrics.leading(true);
        log.info({ identity }, 'leading');
        const leading = AbortSignal.any([lead, running]);
        try {
          await Promise.all([
            ...(isShared ? [] : [observer.run(backend, leading)]),
            observer.caughtUp(leading).then(() => observer.loop(backend, leading).run(leading)),
          ]);
        } finally {
          metrics.leading(false);
          log.info({ identity }, 'not leading any more');
        }
      }, running),
    ].map((task) => task.catch((error: unknown) => fail(error, running, stop)));
    await Promise.all(tasks);
  } finally {
    stop.abort();
    // the others save what they have, and let go of the lease
    await ended(tasks);
    await parts.notifier.close(systemClock.now() + endWithinMs);
    await backend.close();
    await health?.close();
  }
}

const endWithinMs = 5_000;

/** When all of them have ended, however, or have had the time to. */
async function ended(tasks: readonly Promise<void>[]): Promise<void> {
  const waiting = new AbortController();
  const late = systemClock.sleep(endWithinMs, waiting.signal).catch(() => undefined);
  await Promise.race([Promise.allSettled(tasks), late]);
  waiting.abort();
}

/** What cannot be read at all; single objects that are broken are no reason to look at the controller. */
const missingKinds: ReadonlySet<string> = new Set(['NotPermitted', 'NotInstalled', 'KindNotServed']);

/** One part that fails ends all of them. */
function fail(error: unknown, running: AbortSignal, stop: AbortController): void {
  if (running.aborted && isAbort(error)) return;
  stop.abort();
  throw error;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'LeaseLost');
}

/** Flows in, evidence kept, and looks at both for the loop. */
class Observer {
  readonly #parts: ControllerParts;
  readonly #view: LiveInventory;
  readonly #metrics: ControllerMetrics;
  readonly #flows: FlowWatch;
  readonly #begun = Promise.withResolvers<void>();
  #graph: TrafficGraph | undefined;
  #ingest: LiveIngest | undefined;
  #files: FlowFiles | undefined;
  #study: ClusterStudy | undefined;
  #analyst: Analyst | undefined;
  #observed: { readonly of: Cluster; readonly addresses: string; readonly cluster: Cluster } | undefined;

  constructor(parts: ControllerParts, view: LiveInventory, metrics: ControllerMetrics) {
    this.#parts = parts;
    this.#view = view;
    this.#metrics = metrics;
    this.#flows = new FlowWatch(new FlowJudge(), view, systemClock);
  }

  async run({ openEvidence }: Backend, signal: AbortSignal): Promise<void> {
    const { config, log } = this.#parts;
    await Promise.race([this.#view.synced, aborted(signal)]);
    if (signal.aborted) return this.#begun.resolve();
    for (const found of this.#view.problems()) log.warn({ problem: found }, 'a part of the input cannot be used');
    const { binMs } = this.#view.clusterProfile().profile.learning;
    const graph = new TrafficGraph({ binMs, saved: true });
    const ingest = new LiveIngest({
      view: this.#view,
      graph,
      clock: systemClock,
      onSighting: (sighting) => this.#flows.observe(sighting),
      onCluster: () => this.#flows.renew(this.#studyNow()),
    });
    const store = await openEvidence();
    const keeper = new EvidenceKeeper({ store, graph, ingest, clock: systemClock, flushMs: config.flushMs });
    try {
      const positions = await keeper.load();
      if ('code' in positions) throw new ControllerProblem(positions);
      const files = new FlowFiles({ paths: config.flows, positions, ingest, clock: systemClock });
      [this.#graph, this.#ingest, this.#files] = [graph, ingest, files];
      this.#begun.resolve();
      await Promise.all([files.run(signal), keeper.run(signal)]);
    } finally {
      await keeper.close();
    }
  }

  /** Resolves when the backlog of flows was read, so that proposals do not change while it is; not later than `backlogMs`. */
  async caughtUp(signal: AbortSignal): Promise<void> {
    await this.#begun.promise;
    const lastMs = systemClock.now() + backlogMs;
    while (!signal.aborted && systemClock.now() < lastMs && this.#files?.caughtUp === false) {
      await systemClock.sleep(50, signal).catch(() => undefined);
    }
  }

  loop(backend: Backend, signal: AbortSignal): ProposalLoop {
    const { config, log, notifier } = this.#parts;
    const store = backend.storeFor(signal);
    const { events, leadership, verifyStamp: verify, sealing, controllerUser } = backend;
    return new ProposalLoop({
      view: this.#view,
      store,
      leadership,
      clock: systemClock,
      random: Math.random,
      hash,
      audit: backend.auditFor(signal),
      notifier,
      events,
      metrics: this.#metrics,
      log,
      flows: this.#flows,
      study: () => this.#look(),
      verifyStamp: verify,
      sealed: new SealedProposals(sealing),
      controllerUser,
      afterRound: (study) =>
        tendProfiles({
          view: this.#view,
          store,
          study,
          ownNamespace: config.ownNamespace,
          controller: identity,
          sources: this.#ingest?.health ?? [],
          assertMayWrite: () => leadership.assertHeld(),
          nowMs: systemClock.now(),
        }),
      onRound: (number, proposals) => this.#tellRound(number, proposals),
      refreshMs: config.once ? Math.min(config.refreshMs, onceRefreshMs) : config.refreshMs,
      figuresMs: config.figuresMs,
    });
  }

  #caughtUp = false;

  #look(): ProposalStudy {
    const graph = this.#graph as TrafficGraph;
    this.#caughtUp = this.#files?.caughtUp === true && this.#ingest?.counters.held === 0;
    const study = this.#studyNow();
    const nowMs = systemClock.now();
    this.#analyst =
      this.#analyst?.study === study
        ? this.#analyst.renewed(graph, nowMs)
        : new Analyst({
            study,
            traffic: graph,
            profileOf: (namespace) => this.#view.profileOf(namespace).profile,
            dialect: dialect('kubernetes'),
            comments: true,
            nowMs,
          });
    return new ProposalStudy({
      analyst: this.#analyst,
      profileOf: (namespace) => this.#view.profileOf(namespace).profile,
      closedSince: (namespace) => this.#closedSince(namespace),
    });
  }

  #studyNow(): ClusterStudy {
    const cluster = this.#clusterNow();
    if (this.#study?.cluster !== cluster) this.#study = clusterStudy(cluster, this.#study);
    return this.#study;
  }

  /** The cluster with what flow sources said of its addresses; the same value while neither changed. */
  #clusterNow(): Cluster {
    const cluster = this.#view.cluster();
    const observed = this.#ingest?.observed ?? { apiServer: [], nodes: [] };
    const addresses = JSON.stringify(observed);
    if (this.#observed?.of !== cluster || this.#observed.addresses !== addresses) {
      this.#observed = { of: cluster, addresses, cluster: withObserved(cluster, observed) };
    }
    return this.#observed.cluster;
  }

  #closedSince(namespace: string): number | undefined {
    const closing = this.#view
      .proposals()
      .find(({ metadata }) => metadata.namespace === namespace && metadata.name === closingProposalName);
    const appliedAt = closing?.status?.enforced?.appliedAt;
    return appliedAt === undefined ? undefined : Date.parse(appliedAt);
  }

  #tellRound(number: number, proposals: ReadonlyMap<string, ProposalStatus>): void {
    const ingest = this.#ingest as LiveIngest;
    const connections = this.#graph?.size ?? 0;
    this.#metrics.graph(connections);
    for (const { name, flows, rejected } of ingest.health) this.#metrics.ingested(name, flows, rejected);
    this.#parts.onRound?.({ number, proposals, view: this.#view, ingest, connections, caughtUp: this.#caughtUp });
  }
}

async function workspaceBackend(root: string, { log }: ControllerParts): Promise<Backend> {
  const manifests = new ManifestFolders(root);
  const report = (found: Problem) => log.warn({ problem: found }, 'a file cannot be used');
  const store = new DirectoryStore({ root, clock: systemClock, report, manifests });
  const audit = new FileAuditLog({ root, clock: systemClock });
  return {
    feed: new DirectoryFeed({ root, clock: systemClock, manifests }),
    storeFor: () => store,
    leadership: new DirectoryLock({ root, clock: systemClock, identity }),
    auditFor: () => audit,
    events: new EventFile({ root, clock: systemClock }),
    openEvidence: async () => new SqliteConnectionStore(join(await volatileFolder(root), 'evidence.db')),
    verifyStamp: () => 'stamped approvals need an API server; nobody can check this one here',
    sealing: undefined,
    controllerUser: 'nanoseg',
    degraded: () => [],
    run: async () => undefined,
    close: async () => undefined,
  };
}

async function clusterBackend(parts: ControllerParts, signal: AbortSignal): Promise<Backend> {
  const { config, version, log } = parts;
  const { ownNamespace: namespace, dataDirectory } = config;
  const client = createKubeClient({ kubeconfig: config.kubeconfig, context: config.context, namespace, version });
  const store = createKubernetesObjectStore(client);
  const controllerUser = await persist(() => ownIdentity(client), signal, log);
  const faults = new Map<string, Problem>();
  const faulty = (what: string, error: Error) => {
    const found = problem('NotPermitted', `${what} cannot be written: ${error.message}`);
    if (faults.get(what)?.message !== found.message) log.warn({ problem: found }, 'something cannot be written');
    faults.set(what, found);
  };
  const events = createEventRecorder({
    client,
    clock: systemClock,
    instance: identity,
    onFailure: (error) => (error.retryable ? undefined : faulty('Events', error)),
    onSent: () => faults.delete('Events'),
  });
  const keys = await openKeys({ store, namespace, webhookUrl: config.webhook?.url, log }, signal);
  const user = controllerUser ?? `system:serviceaccount:${namespace}:nanoseg-controller`;
  const webhook =
    config.webhook && (await openWebhook(config.webhook, { store, keys, controllerUser: user, namespace, log }));
  const lease = config.leaseMs;
  const leadership = createLeaseLeadership({
    client,
    namespace,
    identity,
    clock: systemClock,
    random: Math.random,
    durationMs: lease,
    renewDeadlineMs: Math.round((lease * 2) / 3),
    renewEveryMs: Math.round((lease * 2) / 15),
    onFailure: (error) => log.warn({ error: error.message }, 'the lease could not be read or written'),
  });
  return {
    feed: createKubernetesFeed(client, {
      clock: systemClock,
      random: Math.random,
      keep: keepFields,
      onFailure: (kind, error) =>
        log.warn({ kind, error: error.message }, 'a kind could not be read and is tried again'),
    }),
    storeFor: (leading) => createKubernetesObjectStore(client, { signal: leading }),
    leadership,
    auditFor: (leading) => {
      const auditLog = new ConfigMapAuditLog({
        store: createKubernetesObjectStore(client, { signal: leading }),
        namespace,
        clock: systemClock,
        random: Math.random,
        assertMayWrite: () => leadership.assertHeld(),
      });
      return {
        append: async (record) => {
          try {
            await auditLog.append(record);
            faults.delete('the audit log');
          } catch (error) {
            if (error instanceof ClusterError && !error.retryable) faulty('the audit log', error);
            throw error;
          }
        },
        entries: () => auditLog.entries(),
        verify: () => auditLog.verify(),
      };
    },
    events,
    openEvidence: async () => {
      if (dataDirectory === undefined) return new MemoryConnectionStore();
      await mkdir(dataDirectory, { recursive: true });
      return new SqliteConnectionStore(join(dataDirectory, 'evidence.db'));
    },
    verifyStamp: (where, spec) => verifyStamp(where, spec, keys.verificationKeys()),
    sealing: keySealing(keys),
    controllerUser,
    degraded: () => [...faults.values(), ...(webhook?.degraded() ?? [])],
    run: async (running) => {
      const keep = keys.run(running, (error) => log.warn({ error }, 'the keys could not be renewed'));
      await Promise.all([events.run(running), keep, webhook?.run(running)]);
    },
    close: async () => {
      await webhook?.close();
      await client.close();
    },
  };
}

/** Keys are there with and without the webhook: what nanoseg writes of itself is sealed with them too. */
async function openKeys(
  opened: {
    readonly store: ObjectStore;
    readonly namespace: string;
    readonly webhookUrl: string | undefined;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<KeyRing> {
  const { store, namespace, webhookUrl, log } = opened;
  const hosts = [...serviceHosts(namespace), ...(webhookUrl === undefined ? [] : [new URL(webhookUrl).hostname])];
  const opening = await persist(() => KeyRing.open({ store, namespace, hosts, clock: systemClock }), signal, log);
  if (opening.kind === 'failed') throw new ControllerProblem(opening.problem);
  return opening.keys;
}

interface Webhook {
  readonly degraded: () => readonly Problem[];
  readonly run: (signal: AbortSignal) => Promise<void>;
  readonly close: () => Promise<void>;
}

async function openWebhook(
  { host, port, url: wantedUrl }: NonNullable<ControllerConfig['webhook']>,
  parts: {
    readonly store: ObjectStore;
    readonly keys: KeyRing;
    readonly controllerUser: string;
    readonly namespace: string;
    readonly log: Logger;
  },
): Promise<Webhook> {
  const { store, keys, controllerUser, namespace, log } = parts;
  const where = host === undefined ? {} : { host };
  const server = await AdmissionServer.start({ keys, controllerUser, port, ...where, clock: systemClock, log });
  const anyPort = wantedUrl !== undefined && new URL(wantedUrl).port === '0';
  const url = anyPort ? wantedUrl.replace(/:0(?=\/|$)/, `:${server.port}`) : wantedUrl;
  let missing: Problem | undefined;
  return {
    degraded: () => (missing === undefined ? [] : [missing]),
    run: async (running) => {
      const changed = (found: Problem | undefined) => {
        if (found) log.error({ problem: found }, 'approvals cannot be stamped');
        else log.info(missing === undefined ? 'approvals are stamped' : 'approvals are stamped again');
        missing = found;
      };
      const repaired = (name: string) =>
        log.warn({ configuration: name }, 'a webhook configuration said something else, and was put right');
      const target = url === undefined ? ({ kind: 'service', namespace } as const) : ({ kind: 'url', url } as const);
      await keepWebhookInstalled({ store, keys, target, clock: systemClock, changed, repaired }, running);
    },
    close: () => server.close(),
  };
}

/** Tries again while the API server cannot be reached: the controller may be started before it. */
async function persist<Result>(attempt: () => Promise<Result>, signal: AbortSignal, log: Logger): Promise<Result> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const again = error instanceof Error && 'retryable' in error && error.retryable === true;
      if (!again || signal.aborted) throw error;
      log.warn({ error: error.message }, 'the API server cannot be reached and is tried again');
      await systemClock.sleep(2_000, signal);
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
