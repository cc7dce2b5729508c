import test from 'ava';
import * as fc from 'fast-check';
import {
  dryRunNonce,
  stampApproval,
  verifySignature,
  verifyStamp,
} from '../../../controller/adapters/admission/approval-stamp.ts';
import {
  renewSigningKeys,
  stampingKey,
  verificationKeys,
} from '../../../controller/adapters/admission/signing-keys.ts';
import { type ApprovalSpec, type ApprovalStamp, decisions } from '../../../controller/model/policy-approval.ts';

const nowMs = Date.UTC(2026, 0, 1);
const keys = renewSigningKeys([], nowMs);
const known = verificationKeys(keys);
const spec: ApprovalSpec = { proposal: 'deployment-cart', digest: 'sha256:1', decision: 'Approve', reason: 'read it' };
const asked = { user: 'alice', groups: ['dev', 'system:authenticated'], nonce: 'n-1' };

function stamped(of: ApprovalSpec = spec, namespace = 'shop'): ApprovalSpec & { readonly stamp: ApprovalStamp } {
  return { ...of, stamp: stampApproval(namespace, of, asked, stampingKey(keys, nowMs), nowMs) };
}

test('a stamp is valid for the decision that it was made for', (t) => {
  const { stamp } = stamped();
  t.is(verifyStamp('shop', { ...spec, stamp }, known), 'valid');
  t.like(stamp, { ...asked, time: '2026-01-01T00:00:00.000Z', keyId: keys[0]?.keyId ?? 'none' });
});

test('a stamp is worth nothing for any other decision, namespace, user, group, time or nonce', (t) => {
  const good = stamped();
  const text = fc.string();
  const change = fc.oneof(
    text.map((proposal) => ({ proposal })),
    text.map((digest) => ({ digest })),
    fc.constantFrom(...decisions).map((decision) => ({ decision })),
    text.map((reason) => ({ reason })),
    text.map((expiresAt) => ({ expiresAt })),
    text.map((user) => ({ stamp: { ...good.stamp, user } })),
    fc.array(text).map((groups) => ({ stamp: { ...good.stamp, groups } })),
    text.map((time) => ({ stamp: { ...good.stamp, time } })),
    text.map((nonce) => ({ stamp: { ...good.stamp, nonce } })),
    text.map((keyId) => ({ stamp: { ...good.stamp, keyId } })),
    fc.base64String().map((signature) => ({ stamp: { ...good.stamp, signature } })),
  );
  fc.assert(
    fc.property(change, (other) => {
      const changed = { ...good, ...other };
      // an absent reason or expiry and an empty one are the same decision
      const isSame = JSON.stringify({ expiresAt: '', ...changed }) === JSON.stringify({ expiresAt: '', ...good });
      return (verifyStamp('shop', changed, known) === 'valid') === isSame;
    }),
  );
  t.not(verifyStamp('bank', good, known), 'valid');
});

test('parts of a decision cannot be moved from one field into the next', (t) => {
  const { stamp } = stamped({ ...spec, proposal: 'a', digest: 'bc' });
  t.not(verifyStamp('shop', { ...spec, proposal: 'ab', digest: 'c', stamp }, known), 'valid');
});

test('no stamp, and the stamp of a stranger’s key, are worth nothing', (t) => {
  t.is(verifyStamp('shop', spec, known), 'it carries no stamp of the admission webhook');
  const stranger = renewSigningKeys([], nowMs);
  const stamp = stampApproval('shop', spec, asked, stampingKey(stranger, nowMs), nowMs);
  t.not(verifyStamp('shop', { ...spec, stamp }, known), 'valid');
  const named = { ...stamp, keyId: keys[0]?.keyId ?? '' };
  t.not(verifyStamp('shop', { ...spec, stamp: named }, known), 'valid');
});

test('the stamp of a dry run shows who would decide and decides nothing', (t) => {
  const dry = { ...asked, nonce: dryRunNonce('n-1') };
  const stamp = stampApproval('shop', spec, dry, stampingKey(keys, nowMs), nowMs);
  t.is(verifySignature('shop', { ...spec, stamp }, known), 'valid');
  t.not(verifyStamp('shop', { ...spec, stamp }, known), 'valid');
  t.not(verifyStamp('shop', { ...spec, stamp: { ...stamp, nonce: 'n-1' } }, known), 'valid');
});
