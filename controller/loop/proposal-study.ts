import type { Analyst, ProposalWish, WorkloadAnalysis } from './analyst.ts';
import type { ClusterStudy } from './cluster-study.ts';
import {
  closingProposalName,
  jointProposalName,
  madeForClosing,
  type MadeProposal,
  madeFromAnalysis,
  madeFromJoint,
  proofSummary,
  proposalName,
} from './made-proposal.ts';
import type { ConnectionId } from '../model/connection.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { ListedItem, PolicyProposal, ProposalChange, ProposalProof, Revision } from '../model/policy-proposal.ts';
import type { Profile } from '../model/profile.ts';
import { parseWorkloadKey, workloadKey, type WorkloadKey } from '../model/workload.ts';
import { changeOf } from '../policy/change.ts';
import { canonicalPolicies } from '../policy/canonical-policy.ts';
import { defaultDeny, openPods, proveDefaultDeny } from '../policy/default-deny.ts';
import { proveEdited } from '../policy/prove-edited.ts';
import { readPolicyText } from './policy-text.ts';

/** What nanoseg would propose under a key, or why nothing. */
export type Making =
  | { readonly kind: 'made'; readonly made: MadeProposal }
  /** `superseded`: there never will be one again, as long as the cluster is as it is. */
  | { readonly kind: 'none'; readonly because: string; readonly superseded: boolean; readonly joint?: string };

export interface ProvedText {
  readonly proof: ProposalProof;
  /** The connections that the text denies, all of them. */
  readonly wouldDeny: readonly ListedItem[];
}

export interface StudyInput {
  readonly analyst: Analyst;
  /** The cluster as it is; the analyst's own may differ from it in nanoseg's policies. */
  readonly cluster: ClusterStudy;
  readonly profileOf: (namespace: string) => Profile;
  /** Since when a namespace's default-deny is in force, in ms; undefined: it is not. */
  readonly closedSince: (namespace: string) => number | undefined;
}

/** One look at a cluster and its traffic, asked by the keys of proposals (`namespace/name`) instead of by workloads. */
export class ProposalStudy {
  readonly #analyst: Analyst;
  readonly #workloads = new Map<string, WorkloadKey>();
  /** Members of joint proposals, as far as one of them was looked at. */
  readonly #joint = new Map<string, readonly WorkloadKey[]>();

  readonly #closing = new Map<string, string>();
  readonly #absences = new Map<WorkloadKey, string>();
  readonly #changes = new Map<string, ProposalChange>();
  /** What was made of workloads: a key is looked at more than once in a round. */
  readonly #makings = new Map<WorkloadKey, { readonly since: string; readonly making: Making }>();
  readonly #input: StudyInput;
  #cluster: ClusterStudy;

  constructor(input: StudyInput) {
    this.#input = input;
    this.#analyst = input.analyst;
    this.#cluster = input.cluster;
    for (const workload of this.#analyst.subjects()) {
      const { namespace } = parseWorkloadKey(workload);
      this.#workloads.set(`${namespace}/${proposalName(workload)}`, workload);
      if (input.profileOf(namespace).closedNamespace.propose) {
        this.#closing.set(`${namespace}/${closingProposalName}`, namespace);
      }
    }
  }

  /** For another round, before which nothing but nanoseg's own policies has changed. */
  again(cluster: ClusterStudy): this {
    this.#cluster = cluster;
    return this;
  }

  get cluster(): ClusterStudy {
    return this.#cluster;
  }

  /** A key for every workload that may have a proposal, and then one for every namespace that may be closed. */
  *keys(): Iterable<string> {
    yield* this.#workloads.keys();
    yield* this.#closing.keys();
  }

  make(key: string, stored: PolicyProposal | undefined): Making {
    const workload = this.#workloads.get(key);
    if (workload !== undefined) {
      const making = this.#remembered(workload, stored?.status?.enforced);
      if (making.kind === 'none') this.#absences.set(workload, making.because);
      return making;
    }
    const namespace =
      this.#closing.get(key) ?? (stored?.spec.scope === 'Namespace' ? stored.metadata.namespace : undefined);
    if (namespace !== undefined) return this.#makeClosing(namespace);
    const members = this.#joint.get(key) ?? (stored?.spec.scope === 'Joint' ? membersOf(stored) : []);
    return members.length > 0 ? this.#makeJoint(key, members) : none('its workload is gone', true);
  }

  /** The workloads that a proposal is for. */
  workloadsOf(proposal: PolicyProposal): WorkloadKey[] {
    return membersOf(proposal);
  }

  /** Proves any policies as those of the proposal's workloads; `machine` is what nanoseg would propose itself. */
  prove(proposal: PolicyProposal, policies: readonly NetworkPolicy[]): ProvedText {
    const { namespace } = proposal.metadata;
    if (proposal.spec.scope === 'Namespace') return { proof: this.#proveClosing(namespace, policies), wouldDeny: [] };
    const workloads = membersOf(proposal);
    const [only] = workloads;
    const analysis =
      only !== undefined && workloads.length === 1 && this.#knows(only) ? this.#analyst.of(only) : undefined;
    const machineDraft = analysis?.kind === 'proposal' ? analysis.draft : undefined;
    const connections = this.#analyst.connectionsOf(workloads);
    const world = this.#analyst.worldOf(namespace);
    const proof = proveEdited({ namespace, workloads, policies, machineDraft, connections }, world);
    return { proof: proofSummary(proof), wouldDeny: proof.wouldDeny };
  }

  /** How policies with this digest differ from those in force, in what may talk. */
  change(
    proposal: Pick<PolicyProposal, 'metadata' | 'spec'>,
    enforced: Revision | undefined,
    digest: string,
    policies: () => readonly NetworkPolicy[],
  ): ProposalChange {
    if (enforced === undefined || enforced.policies === '') return 'New';
    if (enforced.digest === digest) return 'None';
    const key = `${enforced.digest} ${digest}`;
    let change = this.#changes.get(key);
    if (change === undefined) {
      const before = readPolicyText(enforced.policies).policies ?? [];
      const world = this.#analyst.worldOf(proposal.metadata.namespace);
      change = changeOf({ before, after: policies(), workloads: membersOf(proposal) }, world).change;
      this.#changes.set(key, change);
    }
    return change;
  }

  /** Why a workload has no proposal, as a clause; undefined where it has one or nobody knows. */
  whyNone(workload: WorkloadKey): string | undefined {
    return this.#absences.get(workload);
  }

  #knows(workload: WorkloadKey): boolean {
    return this.#analyst.study.cluster.workloads.has(workload);
  }

  #remembered(workload: WorkloadKey, enforced: Revision | undefined): Making {
    const closedSince = this.#input.closedSince(parseWorkloadKey(workload).namespace);
    const since = JSON.stringify([enforced?.digest, enforced?.appliedAt, enforced?.baseline.length, closedSince]);
    const known = this.#makings.get(workload);
    if (known?.since === since) return known.making;
    const making = this.#makeOf(workload, enforced);
    this.#makings.set(workload, { since, making });
    return making;
  }

  #makeOf(workload: WorkloadKey, enforced: Revision | undefined): Making {
    const analysis: WorkloadAnalysis = this.#analyst.of(workload, this.#wishFor(workload, enforced));
    switch (analysis.kind) {
      case 'proposal':
        return { kind: 'made', made: madeFromAnalysis(analysis, analysis.attempts) };
      case 'no-evidence':
        return none(analysis.message, false);
      case 'exempt':
        return none('its namespace is exempt', false);
      case 'refusal': {
        const { refusal, joint } = analysis;
        if (joint === undefined) return none(refusal.message, false);
        const name = `${joint.draft.namespace}/${jointProposalName(joint.draft.name)}`;
        this.#joint.set(name, joint.draft.workloads);
        return { ...none(`the joint proposal ${name} is for it`, true), joint: name };
      }
    }
  }

  /**
   * What was in force stays wished for while nothing but denials is seen of it. What a policy of nanoseg denied since, the
   * workload's own or the default-deny of its namespace, may be amended.
   */
  #wishFor(workload: WorkloadKey, enforced: Revision | undefined): ProposalWish {
    const since = enforced
      ? Date.parse(enforced.appliedAt)
      : this.#input.closedSince(parseWorkloadKey(workload).namespace);
    if (since === undefined) return {};
    const attempts = this.#analyst.attempts(workload, since).map(({ id }) => id);
    const baseline = (enforced?.baseline ?? []) as ConnectionId[];
    return { attempts: new Set([...attempts, ...baseline]), leaveOutUnused: enforced !== undefined };
  }

  #makeClosing(namespace: string): Making {
    const policies = this.#cluster.cluster.policies.filter(({ metadata }) => metadata.namespace === namespace);
    const open = openPods(namespace, policies, this.#analyst.worldOf(namespace));
    if (open.length > 0) return none(`the namespace cannot be closed yet: ${open[0]}`, false);
    return { kind: 'made', made: madeForClosing(namespace, this.#proveClosing(namespace)) };
  }

  /** With any other text than the default-deny itself, the proof of it says nothing. */
  #proveClosing(namespace: string, policies: readonly NetworkPolicy[] = [defaultDeny(namespace)]): ProposalProof {
    const { cluster, index } = this.#cluster;
    const workloads = index.keys.filter((key) => parseWorkloadKey(key).namespace === namespace);
    const connections = this.#analyst.connectionsOf(workloads);
    const world = this.#analyst.worldOf(namespace);
    const proof = proofSummary(proveDefaultDeny({ namespace, policies: cluster.policies, connections }, world));
    if (canonicalPolicies(policies) === canonicalPolicies([defaultDeny(namespace)])) return proof;
    const message = 'a proposal for a namespace holds its default-deny as nanoseg wrote it, and nothing else';
    return { ...proof, valid: false, checks: [...proof.checks, { name: 'read-back', passed: false, message }] };
  }

  #makeJoint(key: string, members: readonly WorkloadKey[]): Making {
    for (const member of members) {
      if (!this.#knows(member)) continue;
      const analysis = this.#analyst.of(member);
      if (analysis.kind !== 'refusal' || analysis.joint === undefined) continue;
      const { joint } = analysis;
      if (`${joint.draft.namespace}/${jointProposalName(joint.draft.name)}` !== key) continue;
      return {
        kind: 'made',
        made: madeFromJoint(
          joint,
          joint.draft.workloads.map((one) => this.#analyst.readiness(one)),
        ),
      };
    }
    return none('its workloads can be told apart now, or are gone', true);
  }
}

function none(because: string, superseded: boolean): Extract<Making, { kind: 'none' }> {
  return { kind: 'none', because, superseded };
}

function membersOf({ metadata: { namespace }, spec }: Pick<PolicyProposal, 'metadata' | 'spec'>): WorkloadKey[] {
  return spec.workloads.map((text) => {
    const slash = text.indexOf('/');
    return workloadKey({ namespace, kind: text.slice(0, slash), name: text.slice(slash + 1) });
  });
}
