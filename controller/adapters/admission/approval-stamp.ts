import { type KeyObject, sign, verify } from 'node:crypto';
import { type ApprovalSpec, type ApprovalStamp, stampedText } from '../../model/policy-approval.ts';

/** Public Ed25519 keys by their id: the one that signs now and all that ever did. */
export type VerificationKeys = ReadonlyMap<string, KeyObject>;

export interface StampingKey {
  readonly keyId: string;
  /** Ed25519, private. */
  readonly key: KeyObject;
}

/** Who decides, as the API server authenticated it, in which admission request. */
export interface StampedRequest {
  readonly user: string;
  readonly groups: readonly string[];
  /** The uid of the admission request. */
  readonly nonce: string;
}

const dryRunPrefix = 'dry-run:';

/** A dry run shows a stamp like the real one, but nobody decided anything: its nonce says so under the signature. */
export function dryRunNonce(nonce: string): string {
  return `${dryRunPrefix}${nonce}`;
}

/** Signs who decides what, and when (milliseconds since 1970). */
export function stampApproval(
  namespace: string,
  spec: ApprovalSpec,
  { user, groups, nonce }: StampedRequest,
  { keyId, key }: StampingKey,
  nowMs: number,
): ApprovalStamp {
  const unsigned = { user, groups, time: new Date(nowMs).toISOString(), nonce, keyId };
  const signature = sign(null, Buffer.from(stampedText(namespace, spec, unsigned)), key).toString('base64');
  return { ...unsigned, signature };
}

/**
 * `valid` when the stamp of a decision was made for this very decision by one of the keys; else why it is worth nothing,
 * as a clause. Age, reuse of the nonce and the approver's right are for the caller to judge.
 */
export function verifyStamp(namespace: string, spec: ApprovalSpec, keys: VerificationKeys): string {
  if (spec.stamp?.nonce.startsWith(dryRunPrefix) === true) {
    return 'its stamp was made for a dry run, in which nothing is decided';
  }
  return verifySignature(namespace, spec, keys);
}

/** Like `verifyStamp`, and the stamp of a dry run is fine. */
export function verifySignature(namespace: string, spec: ApprovalSpec, keys: VerificationKeys): string {
  const { stamp } = spec;
  if (stamp === undefined) return 'it carries no stamp of the admission webhook';
  const key = keys.get(stamp.keyId);
  if (key === undefined) return `its stamp is signed with ${JSON.stringify(stamp.keyId)}, which is no key of nanoseg's`;
  const text = Buffer.from(stampedText(namespace, spec, stamp));
  if (verify(null, text, key, Buffer.from(stamp.signature, 'base64'))) return 'valid';
  return 'its signature does not fit what it says: it was changed after it was stamped, or the stamp is forged';
}
