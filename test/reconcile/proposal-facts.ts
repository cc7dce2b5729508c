import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import type {
  GivenApproval,
  PolicyProposal,
  ProposalProof,
  ProposalStatus,
  Revision,
} from '../../controller/model/policy-proposal.ts';
import type { ApprovalJudgement, ApprovalTally } from '../../controller/reconcile/judge-approval.ts';
import type { ProposalFacts, StandingText } from '../../controller/reconcile/proposal-facts.ts';

export const nowMs = Date.UTC(2026, 10, 1, 12);
const noItems = { count: 0, items: [] };

export const provedProof: ProposalProof = {
  valid: true,
  checks: [{ name: 'no-allow-all', passed: true, message: 'every rule names its peers and its ports' }],
  overGrants: [],
  wouldDeny: noItems,
  reachableBefore: 9,
  reachableAfter: 2,
};

export const failedProof: ProposalProof = {
  ...provedProof,
  valid: false,
  checks: [{ name: 'no-allow-all', passed: false, message: 'ingress rule 1 names no peer and so means all' }],
};

const tally: ApprovalTally = { required: 1, given: [], retiring: [], ignored: [], untilMs: undefined };

export function given(user: string, identity: GivenApproval['identity'] = 'Stamped'): GivenApproval {
  return { approval: `cart-${user}`, user, time: '2026-11-01T11:59:59.000Z', identity };
}

export const judged = {
  none: { ...tally, kind: 'none' },
  pending: { ...tally, required: 2, given: [given('alice')], kind: 'pending' },
  approved: { ...tally, given: [given('alice')], kind: 'approved', by: [given('alice')] },
  byRule: { ...tally, kind: 'approved-by-rule', rule: 'shrink', words: 'rule shrink of profile shop/default' },
  rejected: { ...tally, kind: 'rejected', by: given('bob'), reason: 'too wide' },
  rollback: { ...tally, kind: 'rollback', by: given('bob'), reason: 'checkout is down' },
  retire: { ...tally, kind: 'retire', by: [given('bob')], reason: 'moving away' },
} satisfies Record<string, ApprovalJudgement>;

export function revision(number: number, policies = `policies of revision ${number}`): Revision {
  return {
    revision: number,
    digest: `sha256:${number}`,
    policies,
    appliedAt: '2026-11-01T11:00:00.000Z',
    approvedBy: ['alice'],
    baseline: [],
  };
}

export function standing(facts: Partial<StandingText> = {}): StandingText {
  return {
    digest: 'sha256:new',
    author: 'nanoseg',
    proposedDigest: 'sha256:new',
    change: 'New',
    rules: 2,
    readiness: { state: 'ready', coverage: '99.9%', missing: [] },
    proof: provedProof,
    baseline: ['a', 'b'],
    heldBack: noItems,
    omissions: noItems,
    attempts: [],
    notes: [],
    ...facts,
  };
}

export function proposal(status?: ProposalStatus): PolicyProposal {
  return {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyProposal',
    metadata: { namespace: 'shop', name: 'deployment-cart', generation: 3, resourceVersion: '7' },
    spec: { scope: 'Workload', workloads: ['Deployment/cart'], policies: 'policies of the spec', evidence: ['a', 'b'] },
    ...(status && { status }),
  };
}

export const enforcing: Profile = { ...defaultProfile, mode: 'enforce' };

/** A proved proposal that nobody has decided about, in a namespace where policies are applied. */
export function factsOf(facts: Partial<ProposalFacts> = {}): ProposalFacts {
  return {
    nowMs,
    proposal: proposal(),
    standing: standing(),
    newer: undefined,
    superseded: undefined,
    profile: enforcing,
    stopped: undefined,
    judgement: judged.none,
    inForce: { drift: undefined, applyingDone: false, adopted: undefined },
    guard: { kind: 'keep' },
    closed: false,
    allowedUntil: undefined,
    shadow: undefined,
    watched: undefined,
    ...facts,
  };
}
