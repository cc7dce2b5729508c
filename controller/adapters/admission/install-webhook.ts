import { isDeepStrictEqual } from 'node:util';
import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import { type Problem, problem } from '../../model/problem.ts';
import type { Clock, ObjectStore } from '../../ports.ts';
import type { KeyRing } from './key-ring.ts';
import { stampPath, validatePath } from './webhook-paths.ts';

const webhookConfigurationName = 'nanoseg-approvals';

/** Where the API server finds the webhook. */
export type WebhookTarget =
  /** The Service `nanoseg` of that namespace, port 443. */
  | { readonly kind: 'service'; readonly namespace: string }
  /** Outside of the cluster: `https://host:port`. */
  | { readonly kind: 'url'; readonly url: string };

interface WebhookConfiguration extends KubernetesObject {
  readonly webhooks?: readonly object[];
}

const configurations = [
  { kind: 'MutatingWebhookConfiguration', webhooks: stampingWebhooks },
  { kind: 'ValidatingWebhookConfiguration', webhooks: validatingWebhooks },
] as const;
const attempts = 10;

/**
 * Makes both configurations `nanoseg-approvals` say exactly what they have to, whatever somebody made of them; they are
 * not created. A problem means that approvals cannot be stamped, and why. Rejects with a ClusterError that is worth
 * trying again.
 */
export async function installWebhook(
  store: ObjectStore,
  keys: KeyRing,
  target: WebhookTarget,
  written: (configuration: string) => void = () => undefined,
): Promise<Problem | undefined> {
  for (const { kind, webhooks } of configurations) {
    const found = await installConfiguration(store, kind, () => webhooks(keys, target), written);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Installs, and again after every change of the keys and at this pace, until aborted. `changed` hears of the outcome when it is another. */
export async function keepWebhookInstalled(
  options: {
    readonly store: ObjectStore;
    readonly keys: KeyRing;
    readonly target: WebhookTarget;
    readonly clock: Clock;
    readonly changed: (problem: Problem | undefined) => void;
    /** Hears of a configuration that somebody else had made say something else. */
    readonly repaired?: (configuration: string) => void;
    readonly paceMs?: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { store, keys, target, clock, changed, paceMs = 5_000 } = options;
  let last: string | undefined;
  let lastKeys = '';
  while (!signal.aborted) {
    const wake = new AbortController();
    const unsubscribe = keys.subscribe(() => wake.abort());
    try {
      const keysNow = `${keys.webhookTokens().join()} ${keys.authorityBundle()}`;
      // the first time, and with other keys, it is this controller that changes them
      const repaired = keysNow === lastKeys ? options.repaired : undefined;
      const found = await installOrProblem(store, keys, target, repaired);
      lastKeys = keysNow;
      if (last !== (found?.message ?? '')) changed(found);
      last = found?.message ?? '';
      await clock.sleep(paceMs, AbortSignal.any([signal, wake.signal]));
    } catch (error) {
      if (!signal.aborted && !wake.signal.aborted) throw error;
    } finally {
      unsubscribe();
    }
  }
}

async function installOrProblem(
  store: ObjectStore,
  keys: KeyRing,
  target: WebhookTarget,
  written?: (configuration: string) => void,
): Promise<Problem | undefined> {
  try {
    return await installWebhook(store, keys, target, written);
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    return problem('WebhookNotInstalled', `the webhook configurations cannot be looked at: ${error.message}`);
  }
}

async function installConfiguration(
  store: ObjectStore,
  kind: string,
  webhooks: () => readonly object[],
  written: (configuration: string) => void,
): Promise<Problem | undefined> {
  const where = `${kind}/${webhookConfigurationName}`;
  for (let attempt = 1; ; attempt++) {
    try {
      const stored = await store.get<WebhookConfiguration>({ kind, namespace: '', name: webhookConfigurationName });
      if (stored === undefined)
        return problem('WebhookNotInstalled', 'the webhook configuration does not exist', where);
      const wanted = webhooks();
      if (isDeepStrictEqual(stored.webhooks, wanted)) return undefined;
      await store.update({ ...stored, webhooks: wanted });
      written(where);
      return undefined;
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      if (error.code === 'Conflict' && attempt < attempts) continue;
      if (error.retryable) throw error;
      return problem(
        'WebhookNotInstalled',
        `the webhook configuration cannot be kept current: ${error.message}`,
        where,
      );
    }
  }
}

function stampingWebhooks(keys: KeyRing, target: WebhookTarget): readonly object[] {
  const rules = [rule(['CREATE'], ['policyapprovals'])];
  return [
    {
      name: 'stamp.approvals.nanoseg.io',
      ...common(keys, target, stampPath),
      rules,
      // a change that another webhook makes after the stamp must be refused, not signed
      reinvocationPolicy: 'Never',
    },
  ];
}

function validatingWebhooks(keys: KeyRing, target: WebhookTarget): readonly object[] {
  const rules = [rule(['CREATE', 'UPDATE'], ['policyapprovals', 'policyapprovals/status'])];
  return [{ name: 'validate.approvals.nanoseg.io', ...common(keys, target, validatePath), rules }];
}

/** With all that the API server would fill in, so that what is stored can be compared as a whole. */
function common(keys: KeyRing, target: WebhookTarget, path: string): object {
  return {
    admissionReviewVersions: ['v1'],
    clientConfig: clientConfig(keys, target, path),
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    namespaceSelector: {},
    objectSelector: {},
    sideEffects: 'None',
    timeoutSeconds: 5,
  };
}

function clientConfig(keys: KeyRing, target: WebhookTarget, path: string): object {
  const [token = ''] = keys.webhookTokens();
  const caBundle = Buffer.from(keys.authorityBundle()).toString('base64');
  switch (target.kind) {
    case 'service':
      return {
        caBundle,
        service: { name: 'nanoseg', namespace: target.namespace, path: `${path}/${token}`, port: 443 },
      };
    case 'url':
      return { caBundle, url: `${target.url}${path}/${token}` };
  }
}

function rule(operations: readonly string[], resources: readonly string[]): object {
  return { apiGroups: ['nanoseg.io'], apiVersions: ['*'], operations, resources, scope: 'Namespaced' };
}
