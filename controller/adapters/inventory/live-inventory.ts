import { isDeepStrictEqual } from 'node:util';
import { type Cluster, withCidrs } from '../../model/cluster.ts';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../model/network-policy.ts';
import type { PolicyApproval } from '../../model/policy-approval.ts';
import type { PolicyProposal } from '../../model/policy-proposal.ts';
import type { Problem } from '../../model/problem.ts';
import type { Profile } from '../../model/profile.ts';
import type { Clock, ClusterView, NamespaceProfile, ObjectSink, ViewChange } from '../../ports.ts';
import { parseApproval, parseProposal } from '../resources/parse-resources.ts';
import { assembleCluster, namespaceOf, withPoliciesOf } from './cluster-from-objects.ts';
import { keepFields } from './keep-fields.ts';
import { LiveObjects, type ObjectChange } from './live-objects.ts';
import { isRecord, type LocatedObject, remembered } from './located-object.ts';
import { isNetworkPolicy, networkPolicyFromObject, type PolicyReading } from './network-policy.ts';
import { ProfilesInForce } from './profiles-in-force.ts';
import { stopAnnotation } from './read-annotations.ts';

export interface LiveInventoryOptions {
  /** Where nanoseg runs: the `default` profile there is the cluster's. */
  readonly ownNamespace: string;
  readonly clock: Clock;
  /** How long pods that are gone stay known, for flows that come late. @default one hour */
  readonly goneForMs?: number;
  /** Whether the API server stores port ranges of policies; undefined: not known. */
  readonly portRanges?: boolean | undefined;
}

/** An object as it is stored, and what was read of it. */
interface Parsed<Value> {
  readonly object: KubernetesObject;
  readonly value: Value | Problem[];
}

/**
 * Keeps what a feed tells and makes the cluster of it when somebody asks. What was read of an object is remembered with it,
 * so that the change of one pod costs the putting together alone; what changes nothing that we read is no change.
 */
export class LiveInventory implements ClusterView {
  /** For the feed. */
  readonly sink: ObjectSink;
  readonly synced: Promise<void>;
  readonly #objects: LiveObjects;
  readonly #proposals = new Map<string, Parsed<PolicyProposal>>();
  readonly #approvals = new Map<string, Parsed<PolicyApproval>>();
  readonly #profiles: ProfilesInForce;
  readonly #unreadable = new Map<string, Problem>();
  readonly #listeners = new Set<(change: ViewChange) => void>();
  readonly #portRanges: boolean | undefined;
  #assembled: Assembled | undefined;
  /** The latest one, where nothing but policies changed since. */
  #withOldPolicies: Assembled | undefined;
  #ranged: { readonly of: Cluster; readonly by: Profile['clusterCidrs']; readonly cluster: Cluster } | undefined;
  #proposalList: readonly PolicyProposal[] | undefined;
  #approvalList: readonly PolicyApproval[] | undefined;
  #approvalsByProposal: ReadonlyMap<string, readonly PolicyApproval[]> | undefined;
  #policyList: readonly NetworkPolicy[] | undefined;

  constructor({ ownNamespace, clock, goneForMs = 3_600_000, portRanges }: LiveInventoryOptions) {
    this.#portRanges = portRanges;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.sink = {
      replace: (kind, objects) => this.#tell(this.#replace(kind, objects)),
      upsert: (object) => this.#tell(this.#upsert(object)),
      remove: (ref) => this.#tell(this.#remove(ref)),
      unreadable: (kind, problem) => this.#tell(this.#readable(kind, problem)),
      synced: resolve,
    };
    this.#objects = new LiveObjects(clock, goneForMs);
    this.#profiles = new ProfilesInForce(ownNamespace);
  }

  cluster(): Cluster {
    const { cluster } = this.#assemble();
    const { profile, problem } = this.clusterProfile();
    const known = this.#ranged;
    // a profile that breaks must not turn the cluster's own addresses into outside ones
    const by = problem === undefined ? profile.clusterCidrs : (known?.by ?? profile.clusterCidrs);
    if (known !== undefined && known.of === cluster && isDeepStrictEqual(known.by, by)) return known.cluster;
    const same = known !== undefined && known.of.cidrs === cluster.cidrs && isDeepStrictEqual(known.by, by);
    const ranged = same ? { ...cluster, cidrs: known.cluster.cidrs } : withCidrs(cluster, by);
    this.#ranged = { of: cluster, by, cluster: ranged };
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

  proposal(namespace: string, name: string): PolicyProposal | undefined {
    const value = this.#proposals.get(`${namespace}/${name}`)?.value;
    return Array.isArray(value) ? undefined : value;
  }

  approvalsOf(namespace: string, proposal: string): readonly PolicyApproval[] {
    this.#approvalsByProposal ??= Map.groupBy(
      this.approvals(),
      ({ metadata, spec }) => `${metadata.namespace}/${spec.proposal}`,
    );
    return this.#approvalsByProposal.get(`${namespace}/${proposal}`) ?? [];
  }

  networkPolicies(): readonly NetworkPolicy[] {
    return (this.#policyList ??= [...this.#objects.ofKind('NetworkPolicy')].flatMap((object) =>
      isNetworkPolicy(object) && 'policy' in policyReading(object) ? [object.body as unknown as NetworkPolicy] : [],
    ));
  }

  stopped(namespace?: string): string | undefined {
    const unread = this.#unreadable.get('SegmentationProfile');
    if (unread !== undefined) return `whether the cluster is stopped cannot be read: ${unread.message}`;
    const whole = stopReason(this.#profiles.clusterObject as LocatedObject['body'] | undefined);
    if (whole !== undefined || namespace === undefined) return whole;
    const unreadNamespaces = this.#unreadable.get('Namespace');
    if (unreadNamespaces !== undefined) {
      return `whether namespace ${namespace} is stopped cannot be read: ${unreadNamespaces.message}`;
    }
    return stopReason(this.#objects.get('Namespace', '', namespace)?.body);
  }

  subscribe(listener: (change: ViewChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #assemble(): Assembled {
    if (this.#assembled !== undefined) return this.#assembled;
    const former = this.#withOldPolicies;
    this.#withOldPolicies = undefined;
    if (former !== undefined) {
      const faults: Problem[] = [];
      const cluster = withPoliciesOf(former.cluster, this.#objects.ofKind('NetworkPolicy'), faults);
      if (faults.length === 0) return (this.#assembled = { cluster, problems: former.problems });
    }
    const problems: Problem[] = [];
    const assembled = assembleCluster(this.#objects.all(), this.#objects.gone(), problems);
    const cluster = this.#portRanges === undefined ? assembled : { ...assembled, portRanges: this.#portRanges };
    return (this.#assembled = { cluster, problems });
  }

  #replace(kind: string, objects: readonly KubernetesObject[]): ViewChange[] {
    const readable = this.#unreadable.has(kind) ? this.#readable(kind, undefined) : [];
    const ours = this.#namesOfOurs(kind);
    if (ours === undefined) {
      return [...readable, ...this.#objects.replace(kind, objects.map(keepFields)).flatMap((one) => this.#noted(one))];
    }
    const present = new Set(objects.map(({ metadata }) => `${metadata.namespace ?? ''}/${metadata.name}`));
    const gone = ours.filter(({ namespace, name }) => !present.has(`${namespace}/${name}`));
    return [
      ...readable,
      ...gone.flatMap(({ namespace, name }) => this.#remove({ kind, namespace, name })),
      ...objects.flatMap((object) => this.#upsert(object)),
    ];
  }

  #upsert(object: KubernetesObject): ViewChange[] {
    const kept = keepFields(object);
    const { namespace = '', name } = kept.metadata;
    const key = `${namespace}/${name}`;
    switch (kept.kind) {
      case 'PolicyProposal':
        return this.#own(this.#proposals, key, kept, parseProposal) ? [this.#changed('proposal', namespace, name)] : [];
      case 'PolicyApproval':
        return this.#own(this.#approvals, key, kept, parseApproval) ? [this.#changed('approval', namespace, name)] : [];
      case 'SegmentationProfile':
        return this.#profiles.set(namespace, kept) ? [{ kind: 'profile' }] : [];
      default:
        return this.#objects.upsert(kept).flatMap((change) => this.#noted(change));
    }
  }

  #remove({ kind, namespace, name }: ObjectRef): ViewChange[] {
    const key = `${namespace}/${name}`;
    switch (kind) {
      case 'PolicyProposal':
        return this.#proposals.delete(key) ? [this.#changed('proposal', namespace, name)] : [];
      case 'PolicyApproval':
        return this.#approvals.delete(key) ? [this.#changed('approval', namespace, name)] : [];
      case 'SegmentationProfile':
        return this.#profiles.delete(namespace, name) ? [{ kind: 'profile' }] : [];
      default:
        return this.#objects.remove(kind, namespaceOf(kind, namespace), name).flatMap((change) => this.#noted(change));
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

  #noted({ before, after, content }: ObjectChange): ViewChange[] {
    const { kind, namespace, name } = (after ?? before) as LocatedObject;
    switch (kind) {
      case 'NetworkPolicy':
        this.#policyList = undefined;
        return content ? [this.#policiesChanged(namespace), { kind: 'policy', namespace, name }] : [];
      case 'Namespace': {
        const stopChanged = stopReason(before?.body) !== stopReason(after?.body);
        const rest = before && after && isDeepStrictEqual(unannotated(before), unannotated(after));
        return [...(rest ? [] : [this.#clusterChanged()]), ...(stopChanged ? [{ kind: 'profile' } as const] : [])];
      }
      default:
        return content ? [this.#clusterChanged()] : [];
    }
  }

  #changed(kind: 'proposal' | 'approval', namespace: string, name: string): ViewChange {
    if (kind === 'proposal') this.#proposalList = undefined;
    else this.#approvalList = this.#approvalsByProposal = undefined;
    return { kind, namespace, name };
  }

  #policiesChanged(namespace: string): ViewChange {
    const former = this.#assembled ?? this.#withOldPolicies;
    const change = this.#clusterChanged();
    // a namespace that is known by its policies alone comes and goes with them, as do the problems of policies
    const alone = this.#objects.get('Namespace', '', namespace) !== undefined && !former?.problems.some(isOfPolicy);
    this.#withOldPolicies = alone ? former : undefined;
    return change;
  }

  #clusterChanged(): ViewChange {
    this.#assembled = undefined;
    this.#withOldPolicies = undefined;
    return { kind: 'cluster' };
  }

  #readable(kind: string, problem: Problem | undefined): ViewChange[] {
    if (problem === undefined) this.#unreadable.delete(kind);
    else this.#unreadable.set(kind, problem);
    if (kind === 'SegmentationProfile') this.#profiles.unreadable(problem);
    return kind === 'SegmentationProfile' || kind === 'Namespace' ? [{ kind: 'profile' }] : [];
  }

  /** What there is of a kind of nanoseg's own; undefined for every other kind. */
  #namesOfOurs(kind: string): readonly Named[] | undefined {
    switch (kind) {
      case 'PolicyProposal':
        return namesIn(this.#proposals);
      case 'PolicyApproval':
        return namesIn(this.#approvals);
      case 'SegmentationProfile':
        return this.#profiles.names();
      default:
        return undefined;
    }
  }

  /** Once for many objects that changed the same. */
  #tell(changes: readonly ViewChange[]): void {
    const distinct = new Map(changes.map((change) => [JSON.stringify(change), change]));
    for (const change of distinct.values()) for (const listener of this.#listeners) listener(change);
  }
}

interface Assembled {
  readonly cluster: Cluster;
  readonly problems: readonly Problem[];
}

function isOfPolicy({ where }: Problem): boolean {
  return where.includes('NetworkPolicy');
}

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** The parts of a Namespace that are in the cluster. */
function unannotated({ body }: LocatedObject): unknown {
  const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
  return [metadata['labels'], metadata['uid'], metadata['creationTimestamp']];
}

function stopReason(object: LocatedObject['body'] | undefined): string | undefined {
  const metadata = object?.['metadata'];
  const annotations = isRecord(metadata) ? metadata['annotations'] : undefined;
  if (!isRecord(annotations) || !Object.hasOwn(annotations, stopAnnotation)) return undefined;
  return String(annotations[stopAnnotation]) || 'no reason given';
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

function namesIn<Value>(table: ReadonlyMap<string, Parsed<Value>>): Named[] {
  return [...table.values()].map(({ object: { metadata } }) => ({
    namespace: metadata.namespace ?? '',
    name: metadata.name,
  }));
}
