import type { ApprovalSpec, Decision, PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { ApprovalRules } from '../../controller/model/profile.ts';
import {
  type ApprovalJudgement,
  type ApprovalQuestion,
  judgeApprovals,
} from '../../controller/reconcile/judge-approval.ts';

export const minuteMs = 60_000;
export const dayMs = 24 * 60 * minuteMs;
export const nowMs = Date.UTC(2026, 10, 20, 12);
export const at = (minutes: number) => new Date(nowMs + minutes * minuteMs).toISOString();

export const proposed = 'sha256:new';
export const inForce = 'sha256:old';
export const rules: ApprovalRules = { required: 1, expiryMs: 7 * dayMs, identity: 'stamped', automatic: [] };

interface Given {
  readonly name?: string;
  readonly user?: string;
  readonly decision?: Decision;
  /** Minutes from now. */
  readonly minutes?: number;
  readonly spec?: Partial<ApprovalSpec>;
  readonly nonce?: string;
  readonly signature?: string;
  readonly namespace?: string;
}

let serial = 0;

/** A stamped decision of alice, an hour old, about what it has to be about. */
export function decided(given: Given = {}): PolicyApproval {
  const { decision = 'Approve', user = 'alice', minutes = -60, signature = 'good', namespace = 'shop', spec } = given;
  const name = given.name ?? `approval-${++serial}`;
  const digest = decision === 'Approve' || decision === 'Reject' ? proposed : inForce;
  return {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'PolicyApproval',
    metadata: { name, namespace },
    spec: {
      proposal: 'deployment-cart',
      digest,
      decision,
      stamp: { user, groups: [], time: at(minutes), nonce: given.nonce ?? `nonce-${name}`, keyId: 'one', signature },
      ...spec,
    },
  };
}

/** A decision that nobody stamped. */
export function claimed(given: Given = {}): PolicyApproval {
  const { stamp: _, ...spec } = decided(given).spec;
  const claim = { user: given.user ?? 'alice', time: at(given.minutes ?? -60) };
  return { ...decided(given), spec: { ...spec, claim, ...given.spec } };
}

function question(approvals: readonly PolicyApproval[], parts: Partial<ApprovalQuestion> = {}): ApprovalQuestion {
  return {
    namespace: 'shop',
    proposal: 'deployment-cart',
    digest: proposed,
    enforcedDigest: inForce,
    approvals,
    rules,
    profileOrigin: 'shop/default',
    nowMs,
    knownSinceMs: undefined,
    notBefore: undefined,
    createdMs: undefined,
    enforcedSinceMs: undefined,
    controllerUser: 'system:serviceaccount:nanoseg-system:runs-nanoseg',
    verify: (_namespace, { stamp }) => (stamp?.signature === 'good' ? 'valid' : 'its signature does not match'),
    change: 'Amend',
    attempts: 0,
    namespaceLabels: {},
    edited: false,
    ...parts,
  };
}

export function judge(approvals: readonly PolicyApproval[], parts: Partial<ApprovalQuestion> = {}): ApprovalJudgement {
  return judgeApprovals(question(approvals, parts));
}
