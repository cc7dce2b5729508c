import test from 'ava';
import { type ApprovalSpec, type Decision, type PolicyApproval } from '../../controller/model/policy-approval.ts';
import type { ApprovalQuestion } from '../../controller/reconcile/judge-approval.ts';
import { at, claimed, dayMs, decided, inForce, judge, minuteMs, nowMs, proposed, rules } from './approval-question.ts';

test('a stamped approval of this digest approves it, and is told with its author', (t) => {
  const judgement = judge([decided({ name: 'yes' })]);
  t.like(judgement, { kind: 'approved', required: 1, ignored: [] });
  t.deepEqual(judgement.given, [{ approval: 'yes', user: 'alice', time: at(-60), identity: 'Stamped' }]);
});

test('without any decision nothing is approved', (t) => {
  t.like(judge([]), { kind: 'none', given: [], ignored: [], untilMs: undefined });
});

const worthless: readonly {
  readonly claim: string;
  readonly approval: PolicyApproval;
  readonly because: RegExp;
  readonly parts?: Partial<ApprovalQuestion>;
}[] = [
  {
    claim: 'of another version',
    approval: decided({ spec: { digest: 'sha256:other' } }),
    because: /^its digest is of another version of the proposal$/,
  },
  {
    claim: 'of what is in force, while something else is proposed',
    approval: decided({ spec: { digest: inForce } }),
    because: /another version/,
  },
  {
    claim: 'whose own time is up',
    approval: decided({ spec: { expiresAt: at(0) } }),
    because: /^it expired on 2026-11-20T12:00:00.000Z$/,
  },
  {
    claim: 'that is older than the profile allows',
    approval: decided({ minutes: -7 * 24 * 60 }),
    because: /^it expired on 2026-11-20T12:00:00.000Z$/,
  },
  {
    claim: 'older than the profile allows, whatever it says itself',
    approval: decided({ minutes: -8 * 24 * 60, spec: { expiresAt: at(60) } }),
    because: /^it expired on 2026-11-19/,
  },
  {
    claim: 'whose time to expire cannot be read',
    approval: decided({ spec: { expiresAt: 'tomorrow' } }),
    because: /"tomorrow" is no time to expire/,
  },
  {
    claim: 'under a profile whose expiry is no number',
    approval: decided(),
    because: /the profile does not say how long/,
    parts: { rules: { ...rules, expiryMs: Number.NaN } },
  },
  {
    claim: 'whose time is a date alone',
    approval: decided({
      spec: { stamp: { user: 'a', groups: [], time: '2026-11-20', nonce: 'n', keyId: 'k', signature: 'good' } },
    }),
    because: /"2026-11-20" is no time/,
  },
  {
    claim: 'from the future',
    approval: decided({ minutes: 6 }),
    because: /a clock is wrong by more than 5 minutes/,
  },
  {
    claim: 'given before a rollback',
    approval: decided({ minutes: -60 }),
    because: /before the proposal was rejected or taken back on 2026-11-20T11:30/,
    parts: { notBefore: at(-30) },
  },
  {
    claim: 'given at the very moment of the rollback',
    approval: decided({ minutes: -30 }),
    because: /before the proposal was rejected or taken back/,
    parts: { notBefore: at(-30) },
  },
  {
    claim: 'of a text that stood there before, and stands there again after another came into force',
    approval: decided({ minutes: -60 }),
    because: /another version came into force since/,
    parts: { enforcedSinceMs: Date.parse(at(-30)) },
  },
  {
    claim: 'that would take back what came into force only later',
    approval: decided({ minutes: -60, spec: { decision: 'Rollback', digest: inForce } }),
    because: /before what it would take back came into force/,
    parts: { enforcedSinceMs: Date.parse(at(-30)) },
  },
  {
    claim: 'given about a proposal of that name that was deleted since',
    approval: decided({ minutes: -60 }),
    because: /before the proposal was made on/,
    parts: { createdMs: Date.parse(at(-30)) },
  },
  {
    claim: 'while nobody can read since when decisions count',
    approval: decided(),
    because: /notBefore, "yesterday", is no time/,
    parts: { notBefore: 'yesterday' },
  },
  {
    claim: 'of nanoseg itself',
    approval: decided({ user: 'system:serviceaccount:nanoseg-system:runs-nanoseg' }),
    because: /^system:serviceaccount:nanoseg-system:runs-nanoseg is nanoseg itself$/,
  },
  {
    claim: 'of a nanoseg that is installed somewhere else',
    approval: decided({ user: 'system:serviceaccount:other:nanoseg-controller' }),
    because: /is nanoseg itself/,
  },
  {
    claim: 'of any service account while nanoseg does not know which one it is',
    approval: decided({ user: 'system:serviceaccount:ci:deployer' }),
    because: /does not know which of them it is itself/,
    parts: { controllerUser: undefined },
  },
  {
    claim: 'with a broken signature',
    approval: decided({ signature: 'forged' }),
    because: /^its signature does not match$/,
  },
  {
    claim: 'with a broken signature and a claim beside it, where claims count',
    approval: decided({ signature: 'forged', spec: { claim: { user: 'alice', time: at(-60) } } }),
    because: /signature does not match/,
    parts: { rules: { ...rules, identity: 'claimed' } },
  },
  {
    claim: 'that nobody stamped',
    approval: claimed(),
    because: /^nobody checked who decided: the profile asks for decisions that the admission webhook stamped$/,
  },
  {
    claim: 'without author, where claims count',
    approval: claimed({ user: ' ' }),
    because: /does not say who decided/,
    parts: { rules: { ...rules, identity: 'claimed' } },
  },
  {
    claim: 'of a word that is no decision',
    approval: decided({ spec: { decision: 'approve' as Decision } }),
    because: /"approve" is no decision that nanoseg knows/,
  },
  {
    claim: 'to roll back another version',
    approval: decided({ decision: 'Rollback', spec: { digest: proposed } }),
    because: /not of the version that is in force/,
  },
  {
    claim: 'to retire what is not in force',
    approval: decided({ decision: 'Retire' }),
    because: /nothing of this proposal is in force/,
    parts: { enforcedDigest: undefined },
  },
  {
    claim: 'that rejects what is in force already',
    approval: decided({ decision: 'Reject', spec: { digest: inForce } }),
    because: /in force already: only a rollback or a retirement takes it back/,
    parts: { digest: inForce },
  },
];

for (const { claim, approval, because, parts } of worthless) {
  test(`a decision ${claim} counts for nothing, and it is said why`, (t) => {
    const judgement = judge([approval], parts);
    t.is(judgement.kind, 'none');
    t.is(judgement.ignored.length, 1);
    t.regex(judgement.ignored[0]?.because ?? '', because);
  });
}

test('decisions about other proposals and in other namespaces are not even mentioned', (t) => {
  const others = [decided({ namespace: 'bank' }), decided({ spec: { proposal: 'deployment-web' } })];
  t.like(judge(others), { kind: 'none', ignored: [] });
});

test('a clock that is five minutes ahead does no harm', (t) => {
  t.is(judge([decided({ minutes: 5 })]).kind, 'approved');
});

test('a decision just after the rollback counts', (t) => {
  t.is(judge([decided({ minutes: -29 })], { notBefore: at(-30) }).kind, 'approved');
});

test('a service account other than the controller may decide once the controller knows itself', (t) => {
  t.is(judge([decided({ user: 'system:serviceaccount:ci:deployer' })]).kind, 'approved');
});

test('people may decide while the controller does not know itself', (t) => {
  t.is(judge([decided()], { controllerUser: undefined }).kind, 'approved');
});

test('a claim counts where the profile says so, and is told as one', (t) => {
  const judgement = judge([claimed()], { rules: { ...rules, identity: 'claimed' } });
  t.like(judgement, { kind: 'approved', by: [{ user: 'alice', identity: 'Claimed' }] });
});

const two: Partial<ApprovalQuestion> = { rules: { ...rules, required: 2 } };

test('of two approvers that are needed one is not enough', (t) => {
  t.like(judge([decided()], two), { kind: 'pending', required: 2, given: [{ user: 'alice' }] });
  t.like(judge([decided(), decided({ user: 'bob' })], two), { kind: 'approved' });
});

test('one person is one approver, however often they approve', (t) => {
  const judgement = judge([decided({ name: 'first', minutes: -9 }), decided({ name: 'again', minutes: -8 })], two);
  t.like(judgement, { kind: 'pending', given: [{ approval: 'first' }] });
  t.deepEqual(judgement.ignored, [
    { approval: 'again', because: 'alice approved it already: it takes another person' },
  ]);
});

test('a claimed and a stamped approval of one person are one', (t) => {
  const parts: Partial<ApprovalQuestion> = { rules: { ...rules, required: 2, identity: 'claimed' } };
  t.is(judge([claimed(), decided()], parts).kind, 'pending');
});

test('a copied stamp counts once', (t) => {
  const judgement = judge([decided({ name: 'b', nonce: 'n' }), decided({ name: 'a', nonce: 'n' })], two);
  t.like(judgement, { kind: 'pending', given: [{ approval: 'a' }] });
  t.deepEqual(judgement.ignored, [{ approval: 'b', because: 'its stamp is copied from another decision' }]);
});

test('a profile that asks for nobody is asked for somebody', (t) => {
  for (const required of [0, -1, Number.NaN]) t.is(judge([], { rules: { ...rules, required } }).kind, 'none');
  t.is(judge([decided()], { rules: { ...rules, required: Number.NaN } }).kind, 'pending');
});

test('one rejection outweighs all approvals', (t) => {
  const approvals = [
    decided(),
    decided({ user: 'bob' }),
    decided({ user: 'carol', decision: 'Reject', spec: { reason: 'no' } }),
  ];
  t.like(judge(approvals, two), { kind: 'rejected', by: { user: 'carol' }, reason: 'no' });
});

test('who rejects what they approved has rejected it', (t) => {
  t.is(judge([decided(), decided({ decision: 'Reject' })]).kind, 'rejected');
});

test('a rejection does not grow old, but lapses when its author said so', (t) => {
  const old = (spec: Partial<ApprovalSpec>) => decided({ decision: 'Reject', minutes: -30 * 24 * 60, spec });
  t.is(judge([decided(), old({})]).kind, 'rejected');
  t.is(judge([decided(), old({ expiresAt: at(-1) })]).kind, 'approved');
});

test('one person is enough to roll back what is in force, before anything else', (t) => {
  const approvals = [
    decided({ user: 'bob' }),
    decided({ user: 'carol', decision: 'Reject' }),
    decided({ decision: 'Rollback', spec: { reason: 'checkout fails' } }),
  ];
  t.like(judge(approvals, two), { kind: 'rollback', by: { user: 'alice' }, reason: 'checkout fails' });
});

test('to retire what is in force takes as many as to approve', (t) => {
  const wish = (user: string, reason: string) => decided({ user, decision: 'Retire', spec: { reason } });
  const one = judge([wish('alice', 'moved')], two);
  t.like(one, { kind: 'none', given: [], retiring: [{ user: 'alice' }], ignored: [] });
  t.like(judge([wish('alice', 'moved'), wish('bob', '')], two), {
    kind: 'retire',
    by: [{ user: 'alice' }, { user: 'bob' }],
    reason: 'moved',
  });
});

test('a wish to retire is no approval', (t) => {
  t.is(judge([decided(), decided({ user: 'bob', decision: 'Retire' })], two).kind, 'pending');
});

test('it is said when time alone will change the judgement', (t) => {
  t.is(judge([decided()]).untilMs, nowMs - 60 * minuteMs + 7 * dayMs);
  t.is(judge([decided({ spec: { expiresAt: at(30) } })]).untilMs, nowMs + 30 * minuteMs);
  t.is(judge([decided({ minutes: 20 })]).untilMs, nowMs + 15 * minuteMs);
});
