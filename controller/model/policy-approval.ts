import type { ObjectMeta } from './kubernetes-object.ts';
import type { resourceApiVersion } from './policy-proposal.ts';

/**
 * The custom resource `PolicyApproval`: one person's decision about one digest of one proposal. Immutable. The right to
 * create it is the right to decide.
 */
export interface PolicyApproval {
  readonly apiVersion: typeof resourceApiVersion;
  readonly kind: 'PolicyApproval';
  readonly metadata: ObjectMeta & { readonly namespace: string };
  readonly spec: ApprovalSpec;
  readonly status?: { readonly counted: boolean; readonly message: string };
}

/**
 * `Rollback` and `Retire` are about the digest that is in force: back to the state before it, or to no policy of
 * nanoseg at all. Both may open the network, so that they are decisions like the others.
 */
export const decisions = ['Approve', 'Reject', 'Rollback', 'Retire'] as const;
export type Decision = (typeof decisions)[number];

export interface ApprovalSpec {
  /** Name of the PolicyProposal in the same namespace. */
  readonly proposal: string;
  readonly digest: string;
  readonly decision: Decision;
  readonly reason?: string;
  /** RFC 3339; the profile's expiry counts too, whichever comes first. */
  readonly expiresAt?: string;
  /** Who says to have decided, and when, where no webhook can stamp; worth nothing unless the profile says otherwise. */
  readonly claim?: { readonly user: string; readonly time: string };
  /** Written by the admission webhook alone; what a client puts here is replaced. */
  readonly stamp?: ApprovalStamp;
}

export interface ApprovalStamp {
  readonly user: string;
  readonly groups: readonly string[];
  /** RFC 3339 with milliseconds. */
  readonly time: string;
  /** The admission request's uid: a copied stamp is found by it. */
  readonly nonce: string;
  /** Which of the controller's keys signed. */
  readonly keyId: string;
  /** Ed25519 over `stampedText`, base64. */
  readonly signature: string;
}

/** What a stamp signs: everything about the decision but the signature, as canonical JSON text. */
export function stampedText(namespace: string, spec: ApprovalSpec, stamp: Omit<ApprovalStamp, 'signature'>): string {
  const { proposal, digest, decision, reason = '', expiresAt = '' } = spec;
  const { user, groups, time, nonce, keyId } = stamp;
  return JSON.stringify([
    namespace,
    proposal,
    digest,
    decision,
    reason,
    expiresAt,
    user,
    [...groups],
    time,
    nonce,
    keyId,
  ]);
}
