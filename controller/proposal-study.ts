import type { Analyst, WorkloadAnalysis } from './analyst.ts';
import {
  jointProposalName,
  type MadeProposal,
  madeFromAnalysis,
  madeFromJoint,
  proofSummary,
  proposalName,
} from './made-proposal.ts';
import type { ConnectionId } from './model/connection.ts';
import type { NetworkPolicy } from './model/network-policy.ts';
import type { PolicyProposal, ProposalChange, ProposalProof, Revision } from './model/policy-proposal.ts';
import { parseWorkloadKey, workloadKey, type WorkloadKey } from './model/workload.ts';
import { changeOf } from './policy/change.ts';
import { proveEdited } from './policy/prove-edited.ts';
import { readPolicyText } from './policy-text.ts';

/** What nanoseg would propose under a key, or why nothing. */
export type Making =
  | { readonly kind: 'made'; readonly made: MadeProposal }
  /** `superseded`: there never will be one again, as long as the cluster is as it is. */
  | { readonly kind: 'none'; readonly because: string; readonly superseded: boolean; readonly joint?: string };

/** One look at a cluster and its traffic, asked by the keys of proposals (`namespace/name`) instead of by workloads. */
export class ProposalStudy {
  readonly #analyst: Analyst;
  readonly #workloads = new Map<string, WorkloadKey>();
  /** Members of joint proposals, as far as one of them was looked at. */
  readonly #joint = new Map<string, readonly WorkloadKey[]>();

  constructor(analyst: Analyst) {
    this.#analyst = analyst;
    for (const workload of analyst.subjects()) {
      const { namespace } = parseWorkloadKey(workload);
      this.#workloads.set(`${namespace}/${proposalName(workload)}`, workload);
    }
  }

  get analyst(): Analyst {
    return this.#analyst;
  }

  /** A key for every workload that may have a proposal. */
  keys(): Iterable<string> {
    return this.#workloads.keys();
  }

  make(key: string, stored: PolicyProposal | undefined): Making {
    const workload = this.#workloads.get(key);
    if (workload !== undefined) return this.#makeOf(workload, stored?.status?.enforced);
    const members = this.#joint.get(key) ?? (stored?.spec.scope === 'Joint' ? membersOf(stored) : []);
    return members.length > 0 ? this.#makeJoint(key, members) : none('its workload is gone', true);
  }

  /** The workloads that a proposal is for. */
  workloadsOf(proposal: PolicyProposal): WorkloadKey[] {
    return membersOf(proposal);
  }

  /** Proves any policies as those of the proposal's workloads; `machine` is what nanoseg would propose itself. */
  prove(proposal: PolicyProposal, policies: readonly NetworkPolicy[]): ProposalProof {
    const { namespace } = proposal.metadata;
    const workloads = membersOf(proposal);
    const [only] = workloads;
    const analysis =
      only !== undefined && workloads.length === 1 && this.#knows(only) ? this.#analyst.of(only) : undefined;
    const machineDraft = analysis?.kind === 'proposal' ? analysis.draft : undefined;
    const connections = this.#analyst.connectionsOf(workloads);
    return proofSummary(
      proveEdited({ namespace, workloads, policies, machineDraft, connections }, this.#analyst.worldOf(namespace)),
    );
  }

  /** How policies differ from those in force, in what may talk. */
  change(
    proposal: Pick<PolicyProposal, 'metadata' | 'spec'>,
    enforced: Revision | undefined,
    policies: readonly NetworkPolicy[],
  ): ProposalChange {
    const before =
      enforced === undefined || enforced.policies === '' ? [] : (readPolicyText(enforced.policies).policies ?? []);
    const world = this.#analyst.worldOf(proposal.metadata.namespace);
    return changeOf({ before, after: policies, workloads: membersOf(proposal) }, world).change;
  }

  #knows(workload: WorkloadKey): boolean {
    return this.#analyst.study.cluster.workloads.has(workload);
  }

  #makeOf(workload: WorkloadKey, enforced: Revision | undefined): Making {
    const analysis: WorkloadAnalysis = this.#analyst.of(workload, enforced ? this.#wishFor(workload, enforced) : {});
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

  /** What was in force stays wished for while nothing but denials is seen of it; what was denied since may be amended. */
  #wishFor(workload: WorkloadKey, enforced: Revision): { attempts: Set<ConnectionId>; leaveOutUnused: true } {
    const since = this.#analyst.attempts(workload, Date.parse(enforced.appliedAt)).map(({ id }) => id);
    return { attempts: new Set([...since, ...(enforced.baseline as ConnectionId[])]), leaveOutUnused: true };
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
