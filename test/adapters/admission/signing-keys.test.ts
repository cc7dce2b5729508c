import test from 'ava';
import { stampApproval, verifyStamp } from '../../../controller/adapters/admission/approval-stamp.ts';
import {
  renewSigningKeys,
  stampingKey,
  verificationKeys,
} from '../../../controller/adapters/admission/signing-keys.ts';
import type { ApprovalSpec } from '../../../controller/model/policy-approval.ts';

const startMs = Date.UTC(2026, 0, 1);
const dayMs = 24 * 60 * 60_000;
const yearMs = 365 * dayMs;
const spec: ApprovalSpec = { proposal: 'deployment-cart', digest: 'sha256:1', decision: 'Approve' };

test('the first key signs at once, and is kept for a year', (t) => {
  const keys = renewSigningKeys([], startMs);
  t.is(keys.length, 1);
  t.is(stampingKey(keys, startMs).keyId, keys[0]?.keyId ?? 'none');
  t.is(renewSigningKeys(keys, startMs + yearMs - 1), keys);
});

test('a new key signs only when every replica had the time to read it', (t) => {
  const first = renewSigningKeys([], startMs);
  const second = renewSigningKeys(first, startMs + yearMs);
  t.is(second.length, 2);
  t.is(stampingKey(second, startMs + yearMs).keyId, first[0]?.keyId ?? 'none');
  t.is(stampingKey(second, startMs + yearMs + 10 * 60_000).keyId, second[0]?.keyId ?? 'none');
});

test('a former key loses its private part and verifies what it signed for good', (t) => {
  const first = renewSigningKeys([], startMs);
  const stamp = stampApproval(
    'shop',
    spec,
    { user: 'alice', groups: [], nonce: 'n' },
    stampingKey(first, startMs),
    startMs,
  );
  const rotated = renewSigningKeys(renewSigningKeys(first, startMs + yearMs), startMs + yearMs + dayMs);
  const twice = renewSigningKeys(renewSigningKeys(rotated, startMs + 2 * yearMs), startMs + 2 * yearMs + dayMs);
  t.deepEqual(
    twice.map(({ privateKey }) => privateKey !== undefined),
    [true, false, false],
  );
  t.is(verifyStamp('shop', { ...spec, stamp }, verificationKeys(twice)), 'valid');
  t.is(renewSigningKeys(twice, startMs + 2 * yearMs + dayMs), twice);
});
