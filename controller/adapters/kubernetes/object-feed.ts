import type { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import type { Clock, ObjectFeed, ObjectSink } from '../../ports.ts';
import type { KubeClient } from './kube-client.ts';
import { defaultListWatchTimings, type ListWatchTimings, listWatch } from './list-watch.ts';

/** What the controller follows: the inventory, the policies, and nanoseg's own. */
export const watchedKinds: readonly string[] = [
  'Namespace',
  'Node',
  'Pod',
  'Service',
  'EndpointSlice',
  'Deployment',
  'ReplicaSet',
  'StatefulSet',
  'DaemonSet',
  'Job',
  'CronJob',
  'Ingress',
  'NetworkPolicy',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'SegmentationProfile',
  'PolicyProposal',
  'PolicyApproval',
];

export interface KubernetesFeedOptions {
  readonly clock: Clock;
  /** In [0, 1): spreads reconnects. */
  readonly random: () => number;
  /** @default watchedKinds */
  readonly kinds?: readonly string[];
  /** Only this namespace, of kinds that have namespaces. Without it: all. */
  readonly namespace?: string;
  /** What of an object is handed on; called before the next page is read. @default all but what managers and kubectl keep for themselves */
  readonly keep?: (object: KubernetesObject) => KubernetesObject;
  readonly timings?: Partial<ListWatchTimings>;
  /** For logs and metrics: a request for that kind failed and is tried again. */
  readonly onFailure?: (kind: string, error: ClusterError) => void;
}

/** All objects of the watched kinds, each kind listed and watched on its own. */
export function createKubernetesFeed(client: KubeClient, options: KubernetesFeedOptions): ObjectFeed {
  return { name: client.server, run: (sink, signal) => runFeed(client, options, sink, signal) };
}

async function runFeed(
  client: KubeClient,
  options: KubernetesFeedOptions,
  sink: ObjectSink,
  signal: AbortSignal,
): Promise<void> {
  const { clock, random, kinds = watchedKinds, namespace, keep = withoutBookkeeping, onFailure } = options;
  const timings = { ...defaultListWatchTimings, ...options.timings };
  // when one of them fails for a bug, the others end too
  const stop = new AbortController();
  const running = AbortSignal.any([signal, stop.signal]);
  const waiting = new Set(kinds);
  const told = (kind: string) => {
    if (waiting.delete(kind) && waiting.size === 0) sink.synced();
  };
  const watchKind = (kind: string) =>
    listWatch(
      { client, kind, namespace, keep, clock, random, timings },
      {
        replace(servedKind, objects) {
          sink.replace(servedKind, objects);
          told(kind);
        },
        upsert: (object) => sink.upsert(object),
        remove: (ref) => sink.remove(ref),
        unreadable(problem) {
          sink.unreadable(kind, problem);
          told(kind);
        },
        failed: (error) => onFailure?.(kind, error),
      },
      running,
    ).catch((error: unknown) => {
      stop.abort();
      throw error;
    });
  const ends = await Promise.allSettled(kinds.map(watchKind));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

const lastApplied = 'kubectl.kubernetes.io/last-applied-configuration';

function withoutBookkeeping(object: KubernetesObject): KubernetesObject {
  const metadata: Record<string, unknown> = { ...object.metadata };
  delete metadata['managedFields'];
  const { annotations } = object.metadata;
  if (annotations?.[lastApplied] !== undefined) {
    const { [lastApplied]: _, ...others } = annotations;
    metadata['annotations'] = others;
  }
  return { ...object, metadata: metadata as unknown as KubernetesObject['metadata'] };
}
