import type { Profile } from '../model/profile.ts';
import type {
  CountedItems,
  PolicyProposal,
  ProposalChange,
  ProposalProof,
  ProposalReadiness,
  ProposalText,
  Revision,
} from '../model/policy-proposal.ts';
import type { ApprovalJudgement } from './judge-approval.ts';
import type { FlowFindings } from './flow-judge.ts';
import type { GuardVerdict } from './rollback-guard.ts';

/** Everything that is known about one proposal at one moment; `planProposal` needs nothing else. */
export interface ProposalFacts {
  readonly nowMs: number;
  /** As stored, with the text that is judged here; its `resourceVersion` guards every write. */
  readonly proposal: PolicyProposal;
  readonly standing: StandingText;
  /** Where a person's edit stands: what nanoseg would write instead. */
  readonly newer: ProposalText | undefined;
  /** Its workloads are gone, or a joint proposal is made for them: in words. */
  readonly superseded: string | undefined;
  readonly profile: Profile;
  /** Why nothing may be written to policies now, beside the mode. */
  readonly stopped: string | undefined;
  readonly judgement: ApprovalJudgement;
  readonly inForce: InForce;
  readonly guard: GuardVerdict;
  /** The default-deny of its namespace is in force: without a policy of its own, a workload may talk to nobody. */
  readonly closed: boolean;
  /** Until when its workload may talk freely as a newcomer of a closed namespace, RFC 3339. */
  readonly allowedUntil: string | undefined;
  /** Judged against live flows: the standing text, and what is in force. */
  readonly shadow: FlowFindings | undefined;
  readonly watched: FlowFindings | undefined;
}

/** The text of `spec.policies` as it reads and as it is proved now. */
export interface StandingText {
  readonly digest: string;
  readonly author: 'nanoseg' | 'edited';
  /** Digest of what nanoseg wrote last. */
  readonly proposedDigest: string;
  readonly change: ProposalChange;
  readonly rules: number;
  readonly readiness: ProposalReadiness;
  readonly proof: ProposalProof;
  /** Connections of the spec's evidence that the text lets pass: the baseline, once it is in force. */
  readonly baseline: readonly string[];
  readonly heldBack: CountedItems;
  readonly omissions: CountedItems;
  readonly attempts: readonly string[];
  readonly notes: readonly string[];
}

/** The managed policies that are stored for this proposal, against those that should be. */
export interface InForce {
  /** What differs from `status.enforced`, in words; undefined: nothing. */
  readonly drift: { readonly policy: string; readonly message: string } | undefined;
  /** The policies of `status.applying` are all stored already: the change only has to be recorded. */
  readonly applyingDone: boolean;
  /** Policies of nanoseg are stored for a proposal that knows of none: its status was lost, and is made from them. */
  readonly adopted: Revision | undefined;
}
