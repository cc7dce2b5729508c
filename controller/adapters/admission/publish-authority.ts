import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import type { Clock, ObjectStore } from '../../ports.ts';
import type { KeyRing } from './key-ring.ts';

const name = 'nanoseg-ca';
const entry = 'ca.crt';
const attempts = 10;

interface ConfigMap extends KubernetesObject {
  readonly data?: Readonly<Record<string, string>>;
}

/**
 * Keeps the authorities that nanoseg's certificates are signed by in the ConfigMap `nanoseg-ca`, for all who call it and are
 * not the API server. Looks after every change of the keys and at this pace, until aborted. `outcome` hears of each look.
 */
export async function keepAuthorityPublished(
  options: {
    readonly store: ObjectStore;
    readonly keys: Pick<KeyRing, 'authorityBundle' | 'subscribe'>;
    readonly namespace: string;
    readonly clock: Clock;
    readonly outcome: (failure: ClusterError | undefined) => void;
    readonly paceMs?: number;
  },
  signal: AbortSignal,
): Promise<void> {
  const { store, keys, namespace, clock, outcome, paceMs = 10_000 } = options;
  while (!signal.aborted) {
    const wake = new AbortController();
    const unsubscribe = keys.subscribe(() => wake.abort());
    try {
      await publish(store, namespace, keys.authorityBundle());
      outcome(undefined);
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      outcome(error);
    }
    await clock.sleep(paceMs, AbortSignal.any([signal, wake.signal])).catch(() => undefined);
    unsubscribe();
  }
}

async function publish(store: ObjectStore, namespace: string, bundle: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const stored = await store.get<ConfigMap>({ kind: 'ConfigMap', namespace, name });
    if (stored?.data?.[entry] === bundle) return;
    try {
      if (stored === undefined) {
        const metadata = { name, namespace, labels: { 'app.kubernetes.io/managed-by': 'nanoseg' } };
        await store.create<ConfigMap>({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { [entry]: bundle } });
      } else await store.update<ConfigMap>({ ...stored, data: { ...stored.data, [entry]: bundle } });
      return;
    } catch (error) {
      const isRace = error instanceof ClusterError && (error.code === 'Conflict' || error.code === 'AlreadyExists');
      if (!isRace || attempt === attempts) throw error;
    }
  }
}
