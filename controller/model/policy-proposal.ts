import type { ObjectMeta } from './kubernetes-object.ts';

export const resourceApiVersion = 'nanoseg.io/v1alpha1';

/** The custom resource `PolicyProposal`: the NetworkPolicies for one workload, their proof, and what became of them. */
export interface PolicyProposal {
  readonly apiVersion: typeof resourceApiVersion;
  readonly kind: 'PolicyProposal';
  readonly metadata: ObjectMeta & { readonly namespace: string };
  readonly spec: ProposalSpec;
  readonly status?: ProposalStatus;
}

/** What is approved: all of it is in the digest. The controller writes it; a person may edit `policies`. */
export interface ProposalSpec {
  /** `Namespace`: a default-deny for what comes later, once every workload is enforced. */
  readonly scope: 'Workload' | 'Joint' | 'Namespace';
  /** `Kind/name` in the proposal's namespace, ascending; empty for the scope Namespace. */
  readonly workloads: readonly string[];
  /** NetworkPolicies in YAML with comments, as a reviewer reads them. Empty asks the controller to write its own again. */
  readonly policies: string;
  /** Ids of the connections inside of the cluster that the policies were made from, ascending: the baseline to be. */
  readonly evidence: readonly string[];
}

export const proposalStates = [
  /** Proved, but not enough was seen. */
  'Learning',
  /** Proved, enough was seen: waits for approval. */
  'Ready',
  /** Validly approved, not yet in force (the namespace's mode, or the next moment). */
  'Approved',
  /** In force as approved. */
  'Enforced',
  'Rejected',
  /** Its workload is gone, or a joint proposal took its place. Policies in force stay until a person retires them. */
  'Superseded',
  /** Taken back by a person, or by itself within the guard time. */
  'RolledBack',
  /** Its proof failed: nothing can approve it. */
  'Invalid',
] as const;
export type ProposalState = (typeof proposalStates)[number];

/** How a proposal differs, in what may talk, from the policies of nanoseg in force. */
export type ProposalChange = 'New' | 'Grow' | 'Shrink' | 'Amend' | 'None';

export interface ProposalStatus {
  readonly observedGeneration: number;
  readonly state: ProposalState;
  /** One sentence for people: why this state, and what to do. */
  readonly message: string;
  /** `sha256:…` of the spec that this status is about. */
  readonly digest: string;
  /** `edited`: a person changed `spec.policies` after nanoseg wrote it. */
  readonly author: 'nanoseg' | 'edited';
  /** Digest of what nanoseg last wrote into the spec. */
  readonly proposedDigest: string;
  readonly change: ProposalChange;
  readonly rules: number;
  /** What nanoseg would write now where a person's edit stands in the spec. */
  readonly newer?: ProposalText;
  /** What stood in the spec before its last change, so that the difference can be shown. */
  readonly previous?: ProposalText & { readonly changedAt: string };
  readonly readiness: ProposalReadiness;
  readonly proof: ProposalProof;
  /** Suspicious connections that are not in the policies; at most `listedItems`, all are counted. */
  readonly heldBack: CountedItems;
  readonly omissions: CountedItems;
  /** Connections that were denied, that a proposed amendment would let pass. */
  readonly attempts: readonly string[];
  readonly notes: readonly string[];
  readonly approvals: ApprovalSummary;
  /** RFC 3339 with milliseconds: decisions stamped before this do not count (a rollback or rejection came in between). */
  readonly notBefore?: string;
  /** The change under way: written before the first policy is, so that a crash in between is finished and not forgotten. */
  readonly applying?: Operation;
  /** What is in force. */
  readonly enforced?: Revision;
  /** What was in force before, newest first, at most `keptRevisions`; `policies` empty: nothing was. */
  readonly revisions: readonly Revision[];
  /** Absent in a workspace, where the files are trusted as they are. */
  readonly seal?: StatusSeal;
  /** The highest number that a revision of this proposal ever had: none is given twice. */
  readonly lastRevision?: number;
  readonly drift?: { readonly policy: string; readonly message: string; readonly since: string };
  readonly deviations: readonly Deviation[];
  /** What changes with every flow; rewritten at a slow pace. */
  readonly live?: ProposalLive;
  readonly conditions: readonly Condition[];
}

/** A text of policies with its digest. */
export interface ProposalText {
  readonly digest: string;
  readonly policies: string;
}

export interface ProposalReadiness {
  readonly state: 'ready' | 'learning';
  /** For people: `99.7%` or `unknown`. */
  readonly coverage: string;
  /** What has not been seen yet, in words; empty exactly when ready. */
  readonly missing: readonly { readonly code: string; readonly message: string }[];
}

export interface ProposalProof {
  readonly valid: boolean;
  readonly checks: readonly { readonly name: string; readonly passed: boolean; readonly message: string }[];
  /** What is allowed beyond the evidence, in words; each has a name, or a person's edit asked for it. */
  readonly overGrants: readonly string[];
  /** Connections of the window that would be denied. */
  readonly wouldDeny: CountedItems;
  /** Ordered pairs of this workload and another that can reach each other, without and with the policies. */
  readonly reachableBefore: number;
  readonly reachableAfter: number;
}

/** A list that may be long: its length, and the first few. */
export interface CountedItems {
  readonly count: number;
  readonly items: readonly ListedItem[];
}

export interface ListedItem {
  /** Connection id. */
  readonly connection: string;
  /** Why, in one sentence. */
  readonly message: string;
}

export interface ApprovalSummary {
  readonly required: number;
  /** Valid approvals of the digest. */
  readonly given: readonly GivenApproval[];
  /** Approvals that count for nothing, with the reason. */
  readonly ignored: readonly { readonly approval: string; readonly because: string }[];
  /** The rule of the profile that approved it, in words; `given` is empty then. */
  readonly autoRule?: string;
}

export interface GivenApproval {
  /** Name of the PolicyApproval. */
  readonly approval: string;
  readonly user: string;
  readonly time: string;
  /** `Claimed`: nobody checked that it was this user. */
  readonly identity: ApproverIdentity;
}

/** `Stamped`: the API server authenticated the approver, and the admission webhook signed that. */
export type ApproverIdentity = 'Stamped' | 'Claimed';

/** Shows that the controller wrote what a status says about policies in force; anybody else's words are not acted on. */
export interface StatusSeal {
  /** RFC 3339: since when this record is kept without a gap. What was decided before is not known, and void. */
  readonly since: string;
  /** That somebody else had written into the status, when, and what came of it. */
  readonly broken?: string;
  /** Which of the controller's keys signed. */
  readonly keyId: string;
  /** Ed25519, base64. */
  readonly signature: string;
}

/** A state that was in force, complete, so that it can be restored. */
export interface Revision {
  readonly revision: number;
  readonly digest: string;
  /** YAML; empty: no policy of nanoseg was there. */
  readonly policies: string;
  /** RFC 3339. */
  readonly appliedAt: string;
  /** Users, or the rule of the profile; with `(claimed)` after a user whom nobody authenticated. */
  readonly approvedBy: readonly string[];
  /** Ids of connections, as `ProposalSpec.evidence`. */
  readonly baseline: readonly string[];
}

/** A change of the policies in force, from its decision to its end. */
export interface Operation {
  /** `Restore`: back to a former revision; `Retire`: to no policy of nanoseg. */
  readonly kind: 'Apply' | 'Restore' | 'Retire';
  /** What will be in force; `policies` empty: nothing. */
  readonly target: Revision;
  /** Users or the rule that decided it, as in `Revision.approvedBy`. */
  readonly by: string;
  readonly reason: string;
  /** RFC 3339. */
  readonly startedAt: string;
}

/** A connection outside of the baseline of an enforced workload. */
export interface Deviation {
  readonly connection: string;
  /** `passed`: although the policies in force deny it, so that they are not enforced. */
  readonly verdict: 'denied' | 'passed';
  readonly firstSeen: string;
  readonly lastSeen: string;
  readonly times: number;
  readonly message: string;
}

/** The shadow: the proposal judged against live flows since it has this digest. */
export interface ProposalLive {
  readonly digest: string;
  readonly since: string;
  readonly updatedAt: string;
  /** Connections that were judged, by how often they were seen. */
  readonly judged: number;
  readonly wouldDeny: number;
  readonly samples: readonly (ListedItem & { readonly times: number; readonly lastSeen: string })[];
}

/** As `metav1.Condition`. */
export interface Condition {
  readonly type: ConditionType;
  readonly status: 'True' | 'False' | 'Unknown';
  /** CamelCase, stable. */
  readonly reason: string;
  readonly message: string;
  readonly lastTransitionTime: string;
  readonly observedGeneration: number;
}

export const conditionTypes = [
  'Proved',
  'Ready',
  'Approved',
  'Enforced',
  /** A managed policy differs from the approved one. */
  'Drifted',
  /** Flows passed that a policy in force should have denied. */
  'NotEnforced',
  /** Connections outside of the baseline were seen. */
  'Deviating',
  /** A new workload of a closed namespace may talk freely until this expires. */
  'LearningAllowance',
] as const;
export type ConditionType = (typeof conditionTypes)[number];

/** Entries kept of lists in a status; more are counted. */
export const listedItems = 50;
export const keptRevisions = 10;
