import { type OperationStatus, operationStatus } from '../controller/view/operation-status.ts';
import type { Connection } from './connection.ts';
import { controllerStatus } from './controller-status.ts';
import { clusterProfile, profileFrom, type StoredProfile, storedOf } from './effective-profile.ts';
import { listProposals } from './list-proposals.ts';
import { whatMayBeRead } from '../controller/serving/what-may-be-read.ts';
import { stopReason } from './stop-annotation.ts';
import { storedCluster } from './stored-cluster.ts';

/** What `nanoseg status` says, as far as the user may read it. */
export async function readStatus(connection: Connection, nowMs: number): Promise<OperationStatus> {
  const { store, namespace: only, systemNamespace } = connection;
  const proposals = await listProposals(store, only);
  const whole = await clusterProfile(store, systemNamespace);
  const cluster = await storedCluster(store);
  const readable = 'unreadable' in cluster ? undefined : cluster;
  const profiles = await whatMayBeRead(store.list<StoredProfile>('SegmentationProfile', only), []);
  const own = new Map(
    profiles
      .filter(({ metadata }) => metadata.name === 'default' && metadata.namespace !== systemNamespace)
      .map((profile) => [profile.metadata.namespace ?? '', profile]),
  );
  const names = new Set([
    ...(readable?.namespaces.keys() ?? []),
    ...proposals.map(({ metadata }) => metadata.namespace),
    ...own.keys(),
  ]);
  const shown = [...names].filter((name) => only === undefined || name === only).sort();
  const objects =
    only === undefined
      ? await whatMayBeRead(store.list('Namespace'), [])
      : [await whatMayBeRead(store.get({ kind: 'Namespace', namespace: '', name: only }), undefined)];
  const namespaces = new Map(objects.flatMap((object) => (object ? [[object.metadata.name, object]] : [])));
  const effectiveOf = (namespace: string) => profileFrom(whole, own.get(namespace), namespaces.get(namespace));
  // also where the profile itself cannot be read, its switch can
  const stopping = profiles.find(
    ({ metadata }) => metadata.name === 'default' && metadata.namespace === systemNamespace,
  );
  const everywhere = stopReason(storedOf(whole) ?? stopping);
  return operationStatus({
    server: store.name,
    controller: await controllerStatus(connection, nowMs),
    stopped: [
      ...(everywhere === undefined ? [] : [{ reason: everywhere }]),
      ...[...namespaces].flatMap(([namespace, object]) => {
        const reason = stopReason(object);
        return reason === undefined ? [] : [{ namespace, reason }];
      }),
    ],
    sources: storedOf(whole)?.status?.sources ?? [],
    streams: storedOf(whole)?.status?.streams,
    namespaces: shown,
    proposals,
    cluster,
    effectiveOf,
    writtenCoverage: (namespace) => own.get(namespace)?.status?.coverage,
  });
}
