import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { AdmissionServer } from './adapters/admission/admission-server.ts';
import { verifyStamp } from './adapters/admission/approval-stamp.ts';
import { keepWebhookInstalled } from './adapters/admission/install-webhook.ts';
import { KeyRing, serviceHosts } from './adapters/admission/key-ring.ts';
import { keepAuthorityPublished } from './adapters/admission/publish-authority.ts';
import { keySealing } from './adapters/admission/key-sealing.ts';
import { ConfigMapAuditLog } from './adapters/audit/config-map-audit-log.ts';
import { keepFields } from './adapters/inventory/keep-fields.ts';
import { createEventRecorder } from './adapters/kubernetes/event-recorder.ts';
import { createKubeClient } from './adapters/kubernetes/kube-client.ts';
import { TokenProducers } from './adapters/kubernetes/token-producers.ts';
import { createLeaseLeadership } from './adapters/kubernetes/lease-leadership.ts';
import { createKubernetesFeed } from './adapters/kubernetes/object-feed.ts';
import { createKubernetesObjectStore } from './adapters/kubernetes/object-store.ts';
import { ownIdentity } from './adapters/kubernetes/own-identity.ts';
import { storesPortRanges } from './adapters/kubernetes/server-version.ts';
import { MemoryConnectionStore } from './adapters/memory/memory-connection-store.ts';
import { SqliteConnectionStore } from './adapters/sqlite/sqlite-connection-store.ts';
import { systemClock } from './adapters/system-clock.ts';
import { type Backend, type ControllerParts, ControllerProblem, identity } from './backend.ts';
import type { ControllerConfig } from './config.ts';
import { ClusterError } from './model/cluster-error.ts';
import { type Problem, problem } from './model/problem.ts';
import { openEvidence } from './intake/open-evidence.ts';
import type { ObjectStore } from './ports.ts';

/** A cluster, as the credentials at hand see it. */
export async function clusterBackend(parts: ControllerParts, signal: AbortSignal): Promise<Backend> {
  const { config, version, log } = parts;
  const { ownNamespace: namespace, dataDirectory } = config;
  const client = createKubeClient({ kubeconfig: config.kubeconfig, context: config.context, namespace, version });
  const store = createKubernetesObjectStore(client);
  const controllerUser = await persist(() => ownIdentity(client), signal, log);
  const portRanges = await persist(() => storesPortRanges(client), signal, log);
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
  const keys = await openKeys({ store, config, log }, signal);
  const user = controllerUser ?? `system:serviceaccount:${namespace}:nanoseg-controller`;
  const webhook =
    config.webhook && (await openWebhook(config.webhook, { store, keys, controllerUser: user, namespace, log }));
  const publishing = async (running: AbortSignal) => {
    if (config.push === undefined) return;
    const outcome = (failure: ClusterError | undefined) => {
      if (failure === undefined) faults.delete('the ConfigMap nanoseg-ca');
      else if (!failure.retryable) faulty('the ConfigMap nanoseg-ca', failure);
    };
    await keepAuthorityPublished({ store, keys, namespace, clock: systemClock, outcome }, running);
  };
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
    openEvidence: (running) =>
      openEvidence(
        {
          config,
          log,
          embedded: async () => {
            if (dataDirectory === undefined) return new MemoryConnectionStore();
            await mkdir(dataDirectory, { recursive: true });
            return new SqliteConnectionStore(join(dataDirectory, 'evidence.db'));
          },
        },
        running,
      ),
    verifyStamp: (where, spec) => verifyStamp(where, spec, keys.verificationKeys()),
    sealing: keySealing(keys),
    controllerUser,
    portRanges,
    pushAccess: (view) => ({
      producers: new TokenProducers(client, view, systemClock),
      servingCertificate: () => keys.servingCertificate(),
      subscribe: (listener) => keys.subscribe(listener),
    }),
    degraded: () => [...faults.values(), ...(webhook?.degraded() ?? [])],
    run: async (running) => {
      const keep = keys.run(running, (error) => log.warn({ error }, 'the keys could not be renewed'));
      await Promise.all([events.run(running), keep, webhook?.run(running), publishing(running)]);
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
    readonly config: ControllerConfig;
    readonly log: Logger;
  },
  signal: AbortSignal,
): Promise<KeyRing> {
  const { store, config, log } = opened;
  const { ownNamespace: namespace, webhook, push } = config;
  const hosts = [
    ...serviceHosts('nanoseg', namespace),
    ...(webhook?.url === undefined ? [] : [new URL(webhook.url).hostname]),
    // the Service, and each replica behind it by its own name
    ...(push === undefined
      ? []
      : ['nanoseg-flows', '*.nanoseg-flows'].flatMap((service) => serviceHosts(service, namespace))),
    ...(config.http === undefined ? [] : serviceHosts('nanoseg-page', namespace)),
    ...(push?.host === undefined ? [] : [push.host]),
  ];
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
