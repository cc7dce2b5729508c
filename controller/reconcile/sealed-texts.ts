import type { ObjectMeta } from '../model/kubernetes-object.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { Operation, ProposalStatus, Revision, StatusSeal } from '../model/policy-proposal.ts';
import { canonicalSpec } from '../policy/canonical-policy.ts';
import type { TextSignature } from '../ports.ts';

/** No namespace is called so: a stamp of an approval, whose text begins with one, never passes for a seal. */
const kindOf = (what: string) => `nanoseg.io/seal/v1:${what}`;

export interface SealedProposal {
  readonly namespace: string;
  readonly name: string;
}

/**
 * What the seal of a status covers, as canonical JSON: all that policies are ever written, taken back or left out by. The
 * rest of a status is what was found, and is found again.
 */
export function sealedStatusText(
  { namespace = '', name, uid = '' }: ObjectMeta,
  status: ProposalStatus,
  { since, broken = '' }: Pick<StatusSeal, 'since' | 'broken'>,
): string {
  const { state, digest, proposedDigest, notBefore = '', enforced, revisions, applying } = status;
  return JSON.stringify([
    kindOf('status'),
    namespace,
    name,
    uid,
    since,
    broken,
    state,
    digest,
    proposedDigest,
    notBefore,
    enforced === undefined ? null : revisionFields(enforced),
    revisions.map(revisionFields),
    applying === undefined ? null : operationFields(applying),
  ]);
}

/** That nanoseg itself wrote the text with this digest into the spec of a proposal. */
export function proposedText({ namespace, name }: SealedProposal, digest: string): string {
  return JSON.stringify([kindOf('proposed'), namespace, name, digest]);
}

/** That a policy was written for a proposal because this was approved. */
export function appliedPolicyText(
  { namespace, name }: SealedProposal,
  policy: NetworkPolicy,
  { digest, revision, approvedBy }: Pick<Revision, 'digest' | 'revision' | 'approvedBy'>,
): string {
  const spec = canonicalSpec(policy.spec);
  return JSON.stringify([
    kindOf('policy'),
    namespace,
    name,
    policy.metadata.name,
    digest,
    revision,
    approvedBy.join(', '),
    spec,
  ]);
}

/** A signature as the value of an annotation. */
export function sealValue({ keyId, signature }: TextSignature): string {
  return `${keyId}:${signature}`;
}

export function readSealValue(value: string): TextSignature {
  const colon = value.indexOf(':');
  return { keyId: value.slice(0, Math.max(0, colon)), signature: value.slice(colon + 1) };
}

function revisionFields({ revision, digest, policies, appliedAt, approvedBy, baseline }: Revision): unknown[] {
  return [revision, digest, policies, appliedAt, [...approvedBy], [...baseline]];
}

function operationFields({ kind, target, by, reason, startedAt }: Operation): unknown[] {
  return [kind, revisionFields(target), by, reason, startedAt];
}
