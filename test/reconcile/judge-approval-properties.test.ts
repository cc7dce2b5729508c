import test from 'ava';
import fc from 'fast-check';
import { decisions, type PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { ApprovalJudgement, ApprovalQuestion } from '../../controller/reconcile/judge-approval.ts';
import { at, claimed, decided, inForce, judge, proposed, rules } from './approval-question.ts';

const anyDecision: fc.Arbitrary<PolicyApproval> = fc
  .record({
    stamped: fc.boolean(),
    user: fc.constantFrom('alice', 'bob', 'carol', 'system:serviceaccount:x:nanoseg-controller', ''),
    decision: fc.constantFrom(...decisions),
    minutes: fc.constantFrom(-60 * 24 * 8, -90, -60, -30, -1, 0, 5, 6),
    nonce: fc.constantFrom('n1', 'n2', 'n3', 'n4', 'n5', 'n6'),
    signature: fc.constantFrom('good', 'good', 'good', 'bad'),
    digest: fc.constantFrom(proposed, inForce, 'sha256:third'),
    expiresAt: fc.constantFrom(undefined, undefined, at(-1), at(1), 'never'),
    namespace: fc.constantFrom('shop', 'shop', 'shop', 'bank'),
  })
  .map(({ stamped, digest, expiresAt, ...given }) => {
    const spec = { digest, ...(expiresAt !== undefined && { expiresAt }) };
    return stamped ? decided({ ...given, spec }) : claimed({ ...given, spec });
  });

const anyCase = fc.record({
  approvals: fc.array(anyDecision, { maxLength: 8 }),
  required: fc.constantFrom(1, 2, 3),
  identity: fc.constantFrom('stamped' as const, 'claimed' as const),
  notBefore: fc.constantFrom(undefined, undefined, at(-60), at(-31)),
  enforcedDigest: fc.constantFrom(undefined, inForce, proposed),
});

type AnyCase = typeof anyCase extends fc.Arbitrary<infer Case> ? Case : never;

function judgeCase({ approvals, required, identity, ...parts }: AnyCase, nanoseg: Partial<ApprovalQuestion> = {}) {
  return judge(approvals, { rules: { ...rules, required, identity }, ...parts, ...nanoseg });
}

const acts = ({ kind }: ApprovalJudgement) => kind === 'approved' || kind === 'retire';

test('without one of the approvals nothing is approved that was not, unless that one said no', (t) => {
  fc.assert(
    fc.property(anyCase, fc.nat(7), (given, i) => {
      const removed = given.approvals[i];
      if (removed === undefined || removed.spec.decision === 'Reject' || removed.spec.decision === 'Rollback') return;
      const before = judgeCase(given);
      const after = judgeCase({ ...given, approvals: given.approvals.filter((one) => one !== removed) });
      // a retirement goes before an approval: without it the approval is what counts
      if (!acts(before)) t.false(acts(after));
    }),
  );
});

test('approvals that are ignored change nothing when they are gone', (t) => {
  fc.assert(
    fc.property(anyCase, (given) => {
      const before = judgeCase(given);
      const names = new Set(before.ignored.map(({ approval }) => approval));
      const counted = given.approvals.filter(({ metadata }) => !names.has(metadata.name));
      const { ignored, untilMs: _, ...after } = judgeCase({ ...given, approvals: counted });
      const { ignored: _ignored, untilMs: _until, ...expected } = before;
      t.deepEqual(after, expected);
      t.deepEqual(ignored, []);
    }),
  );
});

test('garbage changes nothing but the list of what is ignored', (t) => {
  const garbage = fc.array(
    anyDecision.map((one) => ({ ...one, spec: { ...one.spec, digest: 'sha256:unheard-of' } })),
    { maxLength: 5 },
  );
  fc.assert(
    fc.property(anyCase, garbage, (given, added) => {
      const { ignored, ...before } = judgeCase(given);
      const { ignored: more, ...after } = judgeCase({ ...given, approvals: [...added, ...given.approvals] });
      t.deepEqual(after, before);
      t.true(more.length >= ignored.length);
    }),
  );
});

test('the order in which decisions are read makes no difference', (t) => {
  const shuffled = anyCase.chain((given) =>
    fc
      .shuffledSubarray(given.approvals, { minLength: given.approvals.length })
      .map((approvals) => [given, { ...given, approvals }] as const),
  );
  fc.assert(
    fc.property(shuffled, ([given, other]) => {
      t.deepEqual(judgeCase(other), judgeCase(given));
    }),
  );
});

test('nothing is approved without as many valid signatures of different people as the profile asks for', (t) => {
  let acted = 0;
  fc.assert(
    fc.property(anyCase, (given) => {
      const judgement = judgeCase({ ...given, identity: 'stamped' });
      if (!acts(judgement)) return;
      acted++;
      const digest = judgement.kind === 'approved' ? proposed : given.enforcedDigest;
      const signers = given.approvals.filter(
        ({ spec, metadata }) =>
          spec.stamp?.signature === 'good' && spec.digest === digest && metadata.namespace === 'shop',
      );
      t.true(new Set(signers.map(({ spec }) => spec.stamp?.user)).size >= given.required);
    }),
    { numRuns: 5000 },
  );
  t.true(acted > 0);
});

test('every decision about the proposal either counts or is listed with its reason', (t) => {
  fc.assert(
    fc.property(anyCase, (given) => {
      const judgement = judgeCase(given);
      const ours = given.approvals
        .filter(({ metadata }) => metadata.namespace === 'shop')
        .map(({ metadata }) => metadata.name);
      const listed = new Set(judgement.ignored.map(({ approval }) => approval));
      t.is(listed.size, judgement.ignored.length);
      t.true([...listed].every((name) => ours.includes(name)));
      t.true(judgement.ignored.every(({ because }) => because.length > 0));
      for (const { approval } of [...judgement.given, ...judgement.retiring]) t.false(listed.has(approval));
    }),
  );
});

test('a rule never says yes where the same decisions, with the rule, hold a no', (t) => {
  const generous = { name: 'all', changes: ['Amend'] as const, namespaceLabels: {} };
  fc.assert(
    fc.property(anyCase, (given) => {
      const plain = judgeCase(given);
      const { required, identity } = given;
      const ruled = judgeCase(given, { rules: { ...rules, required, identity, automatic: [generous] } });
      const asked = plain.kind === 'none' || plain.kind === 'pending';
      t.is(ruled.kind, asked && given.notBefore === undefined ? 'approved-by-rule' : plain.kind);
    }),
  );
});
