import test from 'ava';
import fc from 'fast-check';
import {
  type AdmissionAnswer,
  type AdmissionRequest,
  type PatchOperation,
  readAdmissionReview,
  writeAdmissionReview,
} from '../../../controller/adapters/admission/admission-review.ts';
import { stampRequest, validateRequest } from '../../../controller/adapters/admission/judge-admission.ts';
import {
  renewSigningKeys,
  stampingKey,
  verificationKeys,
} from '../../../controller/adapters/admission/signing-keys.ts';

const nowMs = Date.UTC(2026, 0, 1);
const keys = renewSigningKeys([], nowMs);
const signing = stampingKey(keys, nowMs);
const known = verificationKeys(keys);
const controller = 'system:serviceaccount:nanoseg-system:nanoseg-controller';
const decision = { proposal: 'deployment-cart', digest: 'sha256:1', decision: 'Approve' };

function asked(change: Partial<AdmissionRequest> = {}): AdmissionRequest {
  return {
    uid: 'u-1',
    resource: 'policyapprovals',
    namespace: 'shop',
    operation: 'CREATE',
    user: 'alice',
    groups: ['system:authenticated'],
    object: { spec: decision },
    oldObject: null,
    dryRun: false,
    ...change,
  };
}

/** The object as the API server goes on with it. */
function patched(request: AdmissionRequest, answer: AdmissionAnswer): AdmissionRequest {
  const spec: Record<string, unknown> = { ...(request.object as { readonly spec: object }).spec };
  const patch: readonly PatchOperation[] = (answer.allowed ? answer.patch : undefined) ?? [];
  for (const operation of patch) {
    const field = operation.path.replace('/spec/', '');
    if (operation.op === 'add') spec[field] = operation.value;
    else delete spec[field];
  }
  return { ...request, object: { spec } };
}

function stamped(request: AdmissionRequest, atMs = nowMs): AdmissionRequest {
  return patched(request, stampRequest(request, signing, atMs));
}

function refusal(request: AdmissionRequest): string {
  const answer = validateRequest(request, known, controller, nowMs);
  return answer.allowed ? 'allowed' : answer.message;
}

test('what was stamped is let in, asked again with another uid', (t) => {
  t.is(refusal({ ...stamped(asked()), uid: 'u-2' }), 'allowed');
});

test('a stamp is for the user and the groups that create the approval', (t) => {
  t.regex(refusal({ ...stamped(asked()), user: 'bob' }), /stamped for "alice", and "bob" creates it/);
  t.regex(refusal({ ...stamped(asked()), groups: [] }), /stamped for/);
});

test('a stamp is for the namespace of the approval', (t) => {
  t.regex(refusal({ ...stamped(asked()), namespace: 'bank' }), /signature does not fit/);
});

test('what another webhook changes after the stamp is refused', (t) => {
  const request = stamped(asked());
  const { spec } = request.object as { readonly spec: object };
  t.regex(refusal({ ...request, object: { spec: { ...spec, decision: 'Retire' } } }), /signature does not fit/);
  const claim = { user: 'carol', time: '2026-01-01T00:00:00.000Z' };
  t.regex(refusal({ ...request, object: { spec: { ...spec, claim } } }), /no claim/);
});

test('a stamp older than a minute, or of a time to come, is not of this request', (t) => {
  for (const awayMs of [-60_001, 60_001]) t.regex(refusal(stamped(asked(), nowMs + awayMs)), /too far from now/);
  for (const awayMs of [-60_000, 60_000]) t.is(refusal(stamped(asked(), nowMs + awayMs)), 'allowed');
});

test('the stamp of a dry run is let into dry runs only', (t) => {
  const dry = stamped(asked({ dryRun: true }));
  t.is(refusal(dry), 'allowed');
  t.regex(refusal({ ...dry, dryRun: false }), /dry run/);
});

test('what cannot be understood is not stamped, and not let in', (t) => {
  const broken = [null, {}, { spec: null }, { spec: {} }, { spec: { ...decision, decision: 'Maybe' } }];
  for (const object of broken) {
    t.deepEqual(stampRequest(asked({ object }), signing, nowMs), { allowed: true });
    t.regex(refusal(asked({ object })), /expected proposal/);
  }
  t.regex(refusal(asked()), /no stamp/);
});

test('deleting is nobody’s decision about a policy, and is let through', (t) => {
  t.is(refusal(asked({ operation: 'DELETE', object: null })), 'allowed');
});

test('whatever is sent, the answer is one that the API server understands', (t) => {
  const text = fc.constantFrom('CREATE', 'UPDATE', 'DELETE', 'policyapprovals', 'nanoseg.io', 'status', '');
  const request = fc.record(
    {
      uid: fc.string(),
      resource: fc.record({ group: text, resource: text }),
      subResource: text,
      namespace: fc.string(),
      operation: text,
      userInfo: fc.record({ username: fc.string(), groups: fc.array(fc.string()) }, { requiredKeys: [] }),
      object: fc.oneof(fc.jsonValue(), fc.record({ metadata: fc.jsonValue(), spec: fc.jsonValue() })),
      oldObject: fc.oneof(fc.jsonValue(), fc.record({ metadata: fc.jsonValue(), spec: fc.jsonValue() })),
      dryRun: fc.boolean(),
    },
    { requiredKeys: ['uid', 'resource', 'operation', 'userInfo'] },
  );
  const envelope = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
  let understood = 0;
  fc.assert(
    fc.property(fc.oneof({ weight: 5, arbitrary: request }, fc.jsonValue()), (body) => {
      const review = readAdmissionReview({ ...envelope, request: body });
      if (review === undefined) return true;
      understood++;
      const stamp = stampRequest(review, signing, nowMs);
      const judged = validateRequest(review, known, controller, nowMs);
      const { response } = writeAdmissionReview(review.uid, judged) as { readonly response: { readonly uid: string } };
      return stamp.allowed && response.uid === review.uid && (judged.allowed ? review.operation !== 'CREATE' : true);
    }),
    { numRuns: 1_000 },
  );
  t.true(understood > 0);
});
