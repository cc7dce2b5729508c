import { isDeepStrictEqual } from 'node:util';
import { type Cluster, withCidrs } from '../../model/cluster.ts';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../model/network-policy.ts';
import type { PolicyApproval } from '../../model/policy-approval.ts';
import type { PolicyProposal } from '../../model/policy-proposal.ts';
import type { Problem } from '../../model/problem.ts';
import type { Clock, ClusterView, NamespaceProfile, ObjectSink, ViewChange } from '../../ports.ts';
import { parseApproval, parseProposal } from '../resources/parse-resources.ts';
import { assembleCluster, namespaceOf } from './cluster-from-objects.ts';
import { keepFields } from './keep-fields.ts';
import { type LocatedObject, remembered } from './located-object.ts';
import { isNetworkPolicy, networkPolicyFromObject, type PolicyReading } from './network-policy.ts';
import type { GonePod } from './pods.ts';
import { ProfilesInForce } from './profiles-in-force.ts';
import { stopAnnotation } from './read-annotations.ts';

export interface LiveInventoryOptions {
  /** Where nanoseg runs: the `default` profile there is the cluster's. */
  readonly ownNamespace: string;
  readonly clock: Clock;
  /** How long pods that are gone stay known, for flows that come late. @default one hour */
  readonly goneForMs?: number;
}

/** More pods than this that are gone are forgotten, the first ones first. */
const mostGone = 20_000;

/** An object as it is stored, and what was read of it. */
interface Parsed<Value> {
  readonly object: KubernetesObject;
  readonly value: Value | Problem[];
}

type Objects = Map<string, LocatedObject>;

/**
 * Keeps what a feed tells and makes the cluster of it when somebody asks. What was read of an object is remembered with it,
 * so that the change of one pod costs the putting together alone; what changes nothing that we read is no change.
 */
export class LiveInventory implements ClusterView {
  /** For the feed. */
  readonly sink: ObjectSink;
  readonly synced: Promise<void>;
  readonly #clock: Clock;
  readonly #goneForMs: number;
  /** By kind, then `namespace/name`. */
  readonly #objects = new Map<string, Objects>();
  readonly #gone: GonePod[] = [];
  readonly #proposals = new Map<string, Parsed<PolicyProposal>>();
  readonly #approvals = new Map<string, Parsed<PolicyApproval>>();
  readonly #profiles: ProfilesInForce;
  readonly #unreadable = new Map<string, Problem>();
  readonly #listeners = new Set<(change: ViewChange) => void>();
  #assembled: { readonly cluster: Cluster; readonly problems: readonly Problem[] } | undefined;
  #ranged: { readonly of: Cluster; readonly by: unknown; readonly cluster: Cluster } | undefined;
  #proposalList: readonly PolicyProposal[] | undefined;
  #approvalList: readonly PolicyApproval[] | undefined;
  #policyList: readonly NetworkPolicy[] | undefined;

  constructor({ ownNamespace, clock, goneForMs = 3_600_000 }: LiveInventoryOptions) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.sink = {
      replace: (kind, objects) => this.#tell(this.#replace(kind, objects)),
      upsert: (object) => this.#tell(this.#upsert(object)),
      remove: (ref) => this.#tell(this.#remove(ref)),
      unreadable: (kind, problem) => this.#tell(this.#readable(kind, problem)),
      synced: resolve,
    };
    this.#clock = clock;
    this.#goneForMs = goneForMs;
    this.#profiles = new ProfilesInForce(ownNamespace);
  }

  cluster(): Cluster {
    const { cluster } = this.#assemble();
    const { clusterCidrs } = this.clusterProfile().profile;
    const known = this.#ranged;
    if (known !== undefined && known.of === cluster && isDeepStrictEqual(known.by, clusterCidrs)) return known.cluster;
    const ranged = withCidrs(cluster, clusterCidrs);
    this.#ranged = { of: cluster, by: clusterCidrs, cluster: ranged };
    return ranged;
  }

  problems(): readonly Problem[] {
    return [
      ...this.#unreadable.values(),
      ...this.#assemble().problems,
      ...this.#profiles.problems(),
      ...problemsIn(this.#proposals),
      ...problemsIn(this.#approvals),
    ];
  }

  profileOf(namespace: string): NamespaceProfile {
    return this.#profiles.of(namespace);
  }

  clusterProfile(): NamespaceProfile {
    return this.#profiles.ofCluster();
  }

  proposals(): readonly PolicyProposal[] {
    return (this.#proposalList ??= valuesIn(this.#proposals));
  }

  approvals(): readonly PolicyApproval[] {
    return (this.#approvalList ??= valuesIn(this.#approvals));
  }

  networkPolicies(): readonly NetworkPolicy[] {
    return (this.#policyList ??= [...(this.#objects.get('NetworkPolicy')?.values() ?? [])].flatMap((object) =>
      isNetworkPolicy(object) && 'policy' in policyReading(object) ? [object.body as unknown as NetworkPolicy] : [],
    ));
  }

  stopped(namespace?: string): string | undefined {
    const unread = this.#unreadable.get('SegmentationProfile');
    if (unread !== undefined) return `whether the cluster is stopped cannot be read: ${unread.message}`;
    const whole = stopReason(this.#profiles.clusterObject);
    if (whole !== undefined || namespace === undefined) return whole;
    const unreadNamespaces = this.#unreadable.get('Namespace');
    if (unreadNamespaces !== undefined) {
      return `whether namespace ${namespace} is stopped cannot be read: ${unreadNamespaces.message}`;
    }
    const object = this.#objects.get('Namespace')?.get(`/${namespace}`);
    return object && stopReason(object.body as unknown as KubernetesObject);
  }

  subscribe(listener: (change: ViewChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #assemble(): { readonly cluster: Cluster; readonly problems: readonly Problem[] } {
    if (this.#assembled !== undefined) return this.#assembled;
    this.#forgetGone();
    const problems: Problem[] = [];
    const objects = [...this.#objects.values()].flatMap((ofKind) => [...ofKind.values()]);
    const cluster = assembleCluster(objects, this.#gone, problems);
    return (this.#assembled = { cluster, problems });
  }

  #replace(kind: string, objects: readonly KubernetesObject[]): ViewChange[] {
    const changes = this.#unreadable.has(kind) ? this.#readable(kind, undefined) : [];
    const present = new Set(
      objects.map(({ metadata }) => `${namespaceOf(kind, metadata.namespace ?? '')}/${metadata.name}`),
    );
    for (const { namespace, name } of this.#known(kind)) {
      if (!present.has(`${namespace}/${name}`)) changes.push(...this.#remove({ kind, namespace, name }));
    }
    for (const object of objects) changes.push(...this.#upsert(object));
    return changes;
  }

  #upsert(object: KubernetesObject): ViewChange[] {
    const { kind } = object;
    const body = keepFields(object);
    const namespace = namespaceOf(kind, body.metadata.namespace ?? '');
    const { name } = body.metadata;
    const key = `${namespace}/${name}`;
    switch (kind) {
      case 'PolicyProposal':
        return this.#own(this.#proposals, key, body, parseProposal) ? [this.#changed('proposal', namespace, name)] : [];
      case 'PolicyApproval':
        return this.#own(this.#approvals, key, body, parseApproval) ? [this.#changed('approval', namespace, name)] : [];
      case 'SegmentationProfile':
        return this.#profiles.set(namespace, body) ? [{ kind: 'profile' }] : [];
      default:
        return this.#upsertOfCluster(kind, key, body, { namespace, name });
    }
  }

  #own<Value>(
    table: Map<string, Parsed<Value>>,
    key: string,
    object: KubernetesObject,
    parse: (object: KubernetesObject) => Value | Problem[],
  ): boolean {
    const known = table.get(key)?.object;
    if (known !== undefined && isDeepStrictEqual(known, object)) return false;
    table.set(key, { object, value: parse(object) });
    return true;
  }

  #upsertOfCluster(
    kind: string,
    key: string,
    object: KubernetesObject,
    { namespace, name }: { readonly namespace: string; readonly name: string },
  ): ViewChange[] {
    const objects = this.#objects.get(kind) ?? new Map<string, LocatedObject>();
    this.#objects.set(kind, objects);
    const known = objects.get(key);
    const before = known?.body as unknown as KubernetesObject | undefined;
    if (before !== undefined && isSameVersion(before, object)) return [];
    const same = before !== undefined && isDeepStrictEqual(contentOf(before), contentOf(object));
    if (same && kind !== 'NetworkPolicy') return [];
    if (known !== undefined && before !== undefined && kind === 'Pod' && before.metadata.uid !== object.metadata.uid) {
      this.#endPod(known, Date.parse(object.metadata.creationTimestamp ?? ''));
    }
    const body = object as unknown as LocatedObject['body'];
    const where = [namespace, kind, name].filter(Boolean).join('/');
    objects.set(key, { apiVersion: object.apiVersion, kind, namespace, name, body, where, memory: new Map() });
    switch (kind) {
      case 'NetworkPolicy':
        this.#policyList = undefined;
        return same ? [] : [...this.#clusterChanged(), { kind: 'policy', namespace, name }];
      case 'Namespace': {
        const stopChanged = stopReason(before) !== stopReason(object);
        const rest = before !== undefined && isDeepStrictEqual(unannotated(before), unannotated(object));
        return [...(rest ? [] : this.#clusterChanged()), ...(stopChanged ? [{ kind: 'profile' } as const] : [])];
      }
      default:
        return this.#clusterChanged();
    }
  }

  #remove({ kind, namespace: given, name }: ObjectRef): ViewChange[] {
    const namespace = namespaceOf(kind, given);
    const key = `${namespace}/${name}`;
    switch (kind) {
      case 'PolicyProposal':
        return this.#proposals.delete(key) ? [this.#changed('proposal', namespace, name)] : [];
      case 'PolicyApproval':
        return this.#approvals.delete(key) ? [this.#changed('approval', namespace, name)] : [];
      case 'SegmentationProfile':
        return this.#profiles.delete(namespace, name) ? [{ kind: 'profile' }] : [];
    }
    const object = this.#objects.get(kind)?.get(key);
    if (object === undefined) return [];
    this.#objects.get(kind)?.delete(key);
    if (kind === 'Pod') this.#endPod(object, Number.NaN);
    if (kind === 'NetworkPolicy') {
      this.#policyList = undefined;
      return [...this.#clusterChanged(), { kind: 'policy', namespace, name }];
    }
    const stopped = kind === 'Namespace' && stopReason(object.body as unknown as KubernetesObject) !== undefined;
    return [...this.#clusterChanged(), ...(stopped ? [{ kind: 'profile' } as const] : [])];
  }

  /** The pod is gone; `successorMs`: since when another one has its name, or NaN. */
  #endPod(object: LocatedObject, successorMs: number): void {
    const now = this.#clock.now();
    this.#gone.push({ object, goneMs: Number.isNaN(successorMs) ? now : Math.min(now, successorMs) });
    this.#forgetGone();
  }

  #forgetGone(): void {
    const since = this.#clock.now() - this.#goneForMs;
    const first = this.#gone.findIndex(({ goneMs }) => goneMs >= since);
    const expired = first < 0 ? this.#gone.length : first;
    this.#gone.splice(0, Math.max(expired, this.#gone.length - mostGone));
  }

  #changed(kind: 'proposal' | 'approval', namespace: string, name: string): ViewChange {
    if (kind === 'proposal') this.#proposalList = undefined;
    else this.#approvalList = undefined;
    return { kind, namespace, name };
  }

  #clusterChanged(): ViewChange[] {
    this.#assembled = undefined;
    return [{ kind: 'cluster' }];
  }

  #readable(kind: string, problem: Problem | undefined): ViewChange[] {
    if (problem === undefined) this.#unreadable.delete(kind);
    else this.#unreadable.set(kind, problem);
    if (kind === 'SegmentationProfile') this.#profiles.unreadable(problem);
    return kind === 'SegmentationProfile' || kind === 'Namespace' ? [{ kind: 'profile' }] : [];
  }

  #known(kind: string): { readonly namespace: string; readonly name: string }[] {
    switch (kind) {
      case 'PolicyProposal':
        return namesIn(this.#proposals);
      case 'PolicyApproval':
        return namesIn(this.#approvals);
      case 'SegmentationProfile':
        return this.#profiles.names();
      default:
        return [...(this.#objects.get(kind)?.values() ?? [])];
    }
  }

  /** Once for many objects that changed the same. */
  #tell(changes: readonly ViewChange[]): void {
    const distinct = new Map(changes.map((change) => [JSON.stringify(change), change]));
    for (const change of distinct.values()) for (const listener of this.#listeners) listener(change);
  }
}

/** The watch tells of an object that the list told already. */
function isSameVersion({ metadata: a }: KubernetesObject, { metadata: b }: KubernetesObject): boolean {
  return a.resourceVersion !== undefined && a.resourceVersion === b.resourceVersion && a.uid === b.uid;
}

/** All but what every write changes. */
function contentOf({ metadata, ...rest }: KubernetesObject): unknown {
  const { resourceVersion: _version, generation: _generation, ...kept } = metadata;
  return { ...rest, metadata: kept };
}

function unannotated(object: KubernetesObject): unknown {
  const { annotations: _, ...metadata } = object.metadata;
  return contentOf({ ...object, metadata });
}

function stopReason(object: KubernetesObject | undefined): string | undefined {
  const annotations = object?.metadata.annotations;
  const reason = annotations && Object.hasOwn(annotations, stopAnnotation) ? annotations[stopAnnotation] : undefined;
  return reason === '' ? 'no reason given' : reason;
}

function policyReading(object: LocatedObject): PolicyReading {
  return remembered(object, networkPolicyFromObject, () => networkPolicyFromObject(object));
}

function valuesIn<Value>(table: ReadonlyMap<string, Parsed<Value>>): Value[] {
  return [...table.values()].flatMap(({ value }) => (Array.isArray(value) ? [] : [value]));
}

function problemsIn<Value>(table: ReadonlyMap<string, Parsed<Value>>): Problem[] {
  return [...table.values()].flatMap(({ value }) => (Array.isArray(value) ? value : []));
}

function namesIn<Value>(
  table: ReadonlyMap<string, Parsed<Value>>,
): { readonly namespace: string; readonly name: string }[] {
  return [...table.values()].map(({ object }) => ({
    namespace: namespaceOf(object.kind, object.metadata.namespace ?? ''),
    name: object.metadata.name,
  }));
}
