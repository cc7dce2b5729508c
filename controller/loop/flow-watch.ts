import type { ClusterStudy } from './cluster-study.ts';
import type { Pod } from '../model/cluster.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal, Revision } from '../model/policy-proposal.ts';
import type { RollbackGuard } from '../model/profile.ts';
import type { Sighting } from '../model/sighting.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { isReservedName, learningNamePrefix } from '../policy/policy-names.ts';
import { readPolicyText } from './policy-text.ts';
import type { Clock, ClusterView } from '../ports.ts';
import { managedByLabel } from '../reconcile/apply-policies.ts';
import type { FlowFindings, FlowJudge } from '../reconcile/flow-judge.ts';
import { type GuardVerdict, guardVerdict } from '../reconcile/rollback-guard.ts';

/** Tells the judge of flows what to look for: of each proposal the text in shadow, and what is in force. */
export class FlowWatch {
  readonly #judge: FlowJudge;
  readonly #view: ClusterView;
  readonly #clock: Clock;
  /** Pods that were ready right before an apply, by proposal. */
  readonly #readyBefore = new Map<string, readonly string[]>();
  readonly #since = new Map<string, { readonly digest: string; readonly sinceMs: number }>();
  readonly #workloads = new Map<string, readonly WorkloadKey[]>();
  /** What was last told to the judge, by proposal. */
  readonly #followed = new Map<string, Followed>();
  #known: ReadonlyMap<WorkloadKey, number> = new Map();
  #pods: { readonly of: readonly Pod[]; readonly byWorkload: ReadonlyMap<WorkloadKey, readonly Pod[]> } | undefined;
  #beside:
    | { readonly policies: readonly NetworkPolicy[]; readonly byNamespace: Map<string, NetworkPolicy[]> }
    | undefined;

  constructor(judge: FlowJudge, view: ClusterView, clock: Clock) {
    this.#judge = judge;
    this.#view = view;
    this.#clock = clock;
  }

  /** To be called with each new value of the cluster. */
  renew(study: ClusterStudy): void {
    const world = study.worldOf(this.#view.clusterProfile().profile);
    this.#known = world.index.position;
    this.#judge.setWorld(world);
  }

  /** Judges one flow; workloads that came after the last renewal are not judged yet. */
  observe(sighting: Sighting): void {
    if (this.#knows(sighting.client.endpoint) && this.#knows(sighting.server.endpoint)) this.#judge.observe(sighting);
  }

  #knows(endpoint: Endpoint): boolean {
    return endpoint.kind !== 'workload' || this.#known.has(endpoint.workload);
  }

  /** Judges flows against the proposal as it is now, from now on. */
  follow(key: string, proposal: PolicyProposal, workloads: readonly WorkloadKey[]): void {
    const { spec, status } = proposal;
    this.#workloads.set(key, workloads);
    if (status === undefined) return;
    const beside = this.#policiesBeside(proposal.metadata.namespace);
    const told = { digest: status.digest, text: spec.policies, enforced: status.enforced, workloads, beside };
    const former = this.#followed.get(key);
    if (former !== undefined && isSame(former, told)) return;
    this.#followed.set(key, told);
    // a newcomer's allowance lets everything pass, and goes away with the approval of what is judged here
    const inForce = beside.filter(({ metadata }) => !metadata.name.startsWith(learningNamePrefix));
    const shadow = status.enforced?.digest === status.digest ? undefined : readPolicyText(spec.policies).policies;
    if (shadow === undefined || shadow.length === 0) this.#judge.unwatch(key);
    else {
      const { digest } = status;
      const sinceMs = this.#sinceOf(key, digest);
      const baseline = new Set(spec.evidence);
      this.#judge.watch(key, { digest, workloads, policies: shadow, inForce, baseline, enforced: false, sinceMs });
    }
    const { enforced } = status;
    const policies = enforced && readPolicyText(enforced.policies).policies;
    if (enforced === undefined || policies === undefined) this.#judge.unwatch(enforcedKey(key));
    else {
      const { digest, appliedAt } = enforced;
      const baseline = new Set(enforced.baseline);
      const sinceMs = Date.parse(appliedAt);
      this.#judge.watch(enforcedKey(key), {
        digest,
        workloads,
        policies,
        inForce: beside,
        baseline,
        enforced: true,
        sinceMs,
      });
    }
  }

  forget(key: string): void {
    this.#judge.unwatch(key);
    this.#judge.unwatch(enforcedKey(key));
    this.#readyBefore.delete(key);
    this.#since.delete(key);
    this.#workloads.delete(key);
    this.#followed.delete(key);
  }

  findings(key: string): { readonly shadow: FlowFindings | undefined; readonly inForce: FlowFindings | undefined } {
    return { shadow: this.#judge.findings(key), inForce: this.#judge.findings(enforcedKey(key)) };
  }

  /** Remembers which pods work, so that an apply that breaks them is noticed. */
  beforeApply(key: string): void {
    this.#readyBefore.set(
      key,
      this.#podsOf(key)
        .filter(({ ready }) => ready === true)
        .map(({ name }) => name),
    );
  }

  guard(key: string, { status }: PolicyProposal, guard: RollbackGuard): GuardVerdict {
    if (status?.enforced === undefined) return { kind: 'keep' };
    // most are long past it, and need no look at their pods
    if (this.#clock.now() >= Date.parse(status.enforced.appliedAt) + guard.durationMs) return { kind: 'keep' };
    const workloads = this.#workloads.get(key) ?? [];
    const cluster = this.#view.cluster();
    const wanted = workloads.map((workload) => cluster.workloads.get(workload)?.replicas);
    return guardVerdict({
      guard,
      appliedAtMs: Date.parse(status.enforced.appliedAt),
      nowMs: this.#clock.now(),
      deniedBaseline: this.findings(key).inForce?.deniedBaseline.count ?? 0,
      readyBefore: this.#readyBefore.get(key) ?? [],
      pods: this.#podsOf(key).map(({ name, ready, startMs, terminating = false }) => ({
        name,
        ready: ready === true,
        startMs,
        terminating,
      })),
      replicas: wanted.some((replicas) => replicas === undefined)
        ? undefined
        : wanted.reduce<number>((sum, replicas) => sum + (replicas ?? 0), 0),
    });
  }

  #podsOf(key: string) {
    const { pods } = this.#view.cluster();
    if (this.#pods?.of !== pods) this.#pods = { of: pods, byWorkload: Map.groupBy(pods, ({ workload }) => workload) };
    const { byWorkload } = this.#pods;
    return (this.#workloads.get(key) ?? [])
      .flatMap((workload) => byWorkload.get(workload) ?? [])
      .filter(({ endMs, virtual }) => !virtual && endMs === undefined);
  }

  #sinceOf(key: string, digest: string): number {
    const known = this.#since.get(key);
    if (known?.digest === digest) return known.sinceMs;
    const sinceMs = this.#clock.now();
    this.#since.set(key, { digest, sinceMs });
    return sinceMs;
  }

  /** What may hold for the workloads of a proposal beside its own policies: each of those holds for its own workloads. */
  #policiesBeside(namespace: string): readonly NetworkPolicy[] {
    const policies = this.#view.networkPolicies();
    if (this.#beside?.policies !== policies) {
      const others = policies.filter(
        ({ metadata: { name, labels } }) => labels?.[managedByLabel] !== 'nanoseg' || isReservedName(name),
      );
      const byNamespace = new Map<string, NetworkPolicy[]>();
      for (const policy of others) {
        const of = byNamespace.get(policy.metadata.namespace) ?? [];
        of.push(policy);
        byNamespace.set(policy.metadata.namespace, of);
      }
      this.#beside = { policies, byNamespace };
    }
    return this.#beside.byNamespace.get(namespace) ?? nothingBeside;
  }
}

const nothingBeside: readonly NetworkPolicy[] = [];

/** All that the judge is told depends on. */
interface Followed {
  readonly digest: string;
  readonly text: string;
  readonly enforced: Revision | undefined;
  readonly workloads: readonly WorkloadKey[];
  readonly beside: readonly NetworkPolicy[];
}

function isSame(a: Followed, b: Followed): boolean {
  return (
    a.digest === b.digest &&
    a.text === b.text &&
    a.enforced?.digest === b.enforced?.digest &&
    a.enforced?.appliedAt === b.enforced?.appliedAt &&
    a.enforced?.policies === b.enforced?.policies &&
    sameItems(a.workloads, b.workloads) &&
    sameItems(a.beside, b.beside)
  );
}

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

function enforcedKey(key: string): string {
  return `${key}#in-force`;
}
