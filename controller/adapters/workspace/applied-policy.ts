import { isDeepStrictEqual } from 'node:util';
import { ClusterError } from '../../model/cluster-error.ts';
import type { Labels } from '../../model/label-selector.ts';
import type { NetworkPolicy } from '../../model/network-policy.ts';
import { isRecord, type LocatedObject } from '../inventory/located-object.ts';
import { notManaged } from './store-refusals.ts';
import type { ReadObject, StoredObject } from './stored-object.ts';

const managedByLabel = 'app.kubernetes.io/managed-by';
const proposalAnnotation = 'nanoseg.io/proposal';

/** What stands in the way of a policy, or where it goes. */
export interface PolicyPlace {
  readonly namespace: string;
  readonly name: string;
  /** The one in policies/. */
  readonly there: (ReadObject & { readonly where: string }) | undefined;
  /** One of the same name in cluster/. */
  readonly foreign: LocatedObject | undefined;
}

/**
 * The object that an apply leaves, by the rules of server-side apply as far as they matter here: what others set stays,
 * what others changed is a Conflict unless forced, and a policy that nanoseg does not manage is one in any case.
 */
export function appliedPolicy(
  wanted: NetworkPolicy,
  { namespace, name, there, foreign }: PolicyPlace,
  force: boolean,
  made: { readonly uid: string; readonly creationTimestamp: string },
): StoredObject {
  const ref = { kind: 'NetworkPolicy', namespace, name };
  if (foreign !== undefined && !isManaged(foreign.body)) throw notManaged(ref, foreign.where);
  if (there?.origin === 'foreign' && !isManaged(there.object)) throw notManaged(ref, there.where);
  const stored = there?.object;
  const sameSpec = stored !== undefined && isDeepStrictEqual(stored['spec'], wanted.spec);
  if (there?.origin === 'edited' && !sameSpec && !force) {
    throw new ClusterError('Conflict', `${there.where}: the policy was changed by hand`, { status: 409 });
  }
  const { labels, annotations } = wanted.metadata;
  const before = stored?.metadata;
  const creationTimestamp = stored === undefined ? made.creationTimestamp : before?.creationTimestamp;
  return {
    apiVersion: wanted.apiVersion,
    kind: wanted.kind,
    metadata: {
      name,
      namespace,
      uid: before?.uid ?? made.uid,
      generation: (before?.generation ?? 0) + (sameSpec ? 0 : 1),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      labels: { ...before?.labels, ...labels },
      annotations: { ...withoutOurs(before?.annotations), ...annotations },
    },
    spec: sameSpec ? stored['spec'] : wanted.spec,
  };
}

/** By its label, or by what nanoseg noted on it, should somebody have taken the label off. */
export function isManaged(body: Readonly<Record<string, unknown>>): boolean {
  const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
  const { labels, annotations } = metadata;
  if (isRecord(labels) && labels[managedByLabel] === 'nanoseg') return true;
  return isRecord(annotations) && annotations[proposalAnnotation] !== undefined;
}

/** Annotations that a person set stay; those of nanoseg are what it says now. */
function withoutOurs(annotations: Labels = {}): Labels {
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith('nanoseg.io/')));
}
