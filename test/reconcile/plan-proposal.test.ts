import test from 'ava';
import fc from 'fast-check';
import { defaultProfile } from '../../controller/model/profile.ts';
import type { ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { planProposal, type ProposalPlan } from '../../controller/reconcile/plan-proposal.ts';
import type { ProposalFacts } from '../../controller/reconcile/proposal-facts.ts';
import { factsOf, failedProof, given, judged, proposal, revision, standing } from './proposal-facts.ts';

/** The status of a proposal whose revision is in force. */
function enforced(facts: Partial<ProposalStatus> = {}): ProposalStatus {
  const applied = planProposal(factsOf({ judgement: judged.approved })).status;
  return { ...applied, enforced: revision(2), revisions: [revision(1), revision(0, '')], ...facts };
}

const inForceStanding = standing({ digest: 'sha256:2', proposedDigest: 'sha256:2', change: 'None' });

function actions({ decided, records }: ProposalPlan): string[] {
  return [...decided, ...records].map(({ action }) => action);
}

test('a proved proposal waits for approval, and nothing is done', (t) => {
  const plan = planProposal(factsOf());
  t.is(plan.status.state, 'Ready');
  t.is(plan.status.message, 'waits for approval');
  t.is(plan.operation, undefined);
  t.deepEqual(actions(plan), []);
});

test('while something is missing it says what', (t) => {
  const missing = [
    { code: 'window', message: 'only 2 h were watched' },
    { code: 'cronjob', message: 'CronJob nightly has not run yet' },
  ];
  const learning = standing({ readiness: { state: 'learning', coverage: '80.0%', missing } });
  const { status } = planProposal(factsOf({ standing: learning }));
  t.is(status.state, 'Learning');
  t.is(status.message, 'only 2 h were watched; and 1 more reason');
});

test('an approved proposal is applied: what is intended is stored first, what was before is kept', (t) => {
  const plan = planProposal(factsOf({ judgement: judged.approved }));
  t.like(plan.operation, {
    kind: 'Apply',
    by: 'alice',
    target: { revision: 1, policies: 'policies of the spec', digest: 'sha256:new' },
  });
  t.deepEqual(plan.before?.applying, plan.operation);
  t.is(plan.before?.enforced, undefined);
  t.is(plan.status.state, 'Enforced');
  t.is(plan.status.applying, undefined);
  t.deepEqual(plan.status.enforced, plan.operation?.target);
  t.deepEqual(
    plan.status.revisions.map(({ revision: number, policies }) => [number, policies]),
    [[0, '']],
  );
  t.deepEqual(actions(plan), ['Approved', 'Applied']);
});

test('who was approved by is recorded as what it is: a claim, a rule', (t) => {
  const claimed = { ...judged.approved, by: [given('carol', 'Claimed')], given: [given('carol', 'Claimed')] };
  t.deepEqual(planProposal(factsOf({ judgement: claimed })).status.enforced?.approvedBy, ['carol (claimed)']);
  const byRule = planProposal(factsOf({ judgement: judged.byRule }));
  t.deepEqual(byRule.status.enforced?.approvedBy, ['rule shrink of profile shop/default']);
  t.is(byRule.status.approvals.autoRule, 'rule shrink of profile shop/default');
});

test('outside of the mode enforce, and behind the kill switch, an approval is kept and nothing is applied', (t) => {
  const proposing = planProposal(
    factsOf({ judgement: judged.approved, profile: { ...defaultProfile, mode: 'propose' } }),
  );
  t.is(proposing.operation, undefined);
  t.is(proposing.status.state, 'Approved');
  t.regex(proposing.status.message, /mode propose/);
  t.deepEqual(actions(proposing), ['Approved']);
  const stopped = planProposal(factsOf({ judgement: judged.approved, stopped: 'incident 7' }));
  t.is(stopped.operation, undefined);
  t.regex(stopped.status.message, /incident 7/);
});

test('the approval is recorded once, however long it waits to be applied', (t) => {
  const profile = { ...defaultProfile, mode: 'propose' as const };
  const first = planProposal(factsOf({ judgement: judged.approved, profile }));
  const again = planProposal(factsOf({ judgement: judged.approved, profile, proposal: proposal(first.status) }));
  t.deepEqual(actions(again), []);
  const applied = planProposal(factsOf({ judgement: judged.approved, proposal: proposal(first.status) }));
  t.deepEqual(actions(applied), ['Applied']);
});

test('a failed proof cannot be approved', (t) => {
  for (const judgement of [judged.approved, judged.byRule]) {
    const plan = planProposal(factsOf({ judgement, standing: standing({ proof: failedProof }) }));
    t.is(plan.operation, undefined);
    t.is(plan.status.state, 'Invalid');
    t.regex(plan.status.message, /names no peer/);
  }
});

test('a rejection lasts until the proposal changes, or somebody approves it after all', (t) => {
  const rejected = planProposal(factsOf({ judgement: judged.rejected }));
  t.is(rejected.status.state, 'Rejected');
  t.is(rejected.status.message, 'rejected by bob: too wide');
  t.truthy(rejected.status.notBefore);
  const still = planProposal(factsOf({ proposal: proposal(rejected.status) }));
  t.is(still.status.state, 'Rejected');
  t.deepEqual(actions(still), []);
  const other = standing({ digest: 'sha256:other' });
  t.is(planProposal(factsOf({ proposal: proposal(rejected.status), standing: other })).status.state, 'Ready');
  t.is(
    planProposal(factsOf({ proposal: proposal(rejected.status), judgement: judged.approved })).status.state,
    'Enforced',
  );
});

test('a rollback restores exactly the former revision, and a second one the one before', (t) => {
  const first = planProposal(
    factsOf({ proposal: proposal(enforced()), standing: inForceStanding, judgement: judged.rollback }),
  );
  t.like(first.operation, { kind: 'Restore', by: 'bob', target: revision(1) });
  t.is(first.status.state, 'RolledBack');
  t.deepEqual(first.status.enforced, revision(1));
  t.regex(first.status.message, /taken back to revision 1 by bob: checkout is down/);
  t.deepEqual(actions(first), ['RolledBack']);
  const second = planProposal(
    factsOf({ proposal: proposal(first.status), standing: inForceStanding, judgement: judged.rollback }),
  );
  t.like(second.operation, { kind: 'Restore', target: revision(0, '') });
  t.is(second.status.enforced, undefined);
});

test('what was before a revision whose history is lost is not guessed', (t) => {
  const lost = enforced({ revisions: [] });
  const plan = planProposal(
    factsOf({ proposal: proposal(lost), standing: inForceStanding, judgement: judged.rollback }),
  );
  t.is(plan.operation, undefined);
  t.is(plan.status.state, 'Enforced');
  t.regex(plan.status.message, /cannot be rolled back/);
  const first = enforced({ revisions: [], enforced: revision(1) });
  const standingFirst = standing({ digest: 'sha256:1' });
  t.like(
    planProposal(factsOf({ proposal: proposal(first), standing: standingFirst, judgement: judged.rollback })).operation,
    {
      kind: 'Restore',
      target: { policies: '' },
    },
  );
});

test('after a rollback nothing is applied again by itself', (t) => {
  const { status } = planProposal(
    factsOf({ proposal: proposal(enforced()), standing: inForceStanding, judgement: judged.rollback }),
  );
  const later = planProposal(factsOf({ proposal: proposal(status), standing: inForceStanding }));
  t.is(later.operation, undefined);
  t.is(later.status.state, 'RolledBack');
  t.is(later.status.message, status.message);
});

test('within the guard time an apply is taken back by itself, but never what a rollback put there', (t) => {
  const guard = { kind: 'rollback', because: '2 connections of the baseline were denied' } as const;
  const facts = factsOf({ proposal: proposal(enforced()), standing: inForceStanding, guard });
  const plan = planProposal(facts);
  t.like(plan.operation, { kind: 'Restore', by: 'nanoseg', target: revision(1) });
  t.is(planProposal({ ...facts, proposal: proposal(plan.status) }).operation, undefined);
  t.is(planProposal({ ...facts, profile: { ...facts.profile, mode: 'propose' } }).operation, undefined);
});

test('in a closed namespace nothing is taken back by itself to a state in which nothing is allowed', (t) => {
  const guard = { kind: 'rollback', because: '2 connections of the baseline were denied' } as const;
  const first = enforced({ revisions: [revision(0, '')] });
  const facts = factsOf({ proposal: proposal(first), standing: inForceStanding, guard, closed: true });
  const plan = planProposal(facts);
  t.is(plan.operation, undefined);
  t.is(plan.status.state, 'Enforced');
  t.regex(plan.status.message, /not taken back although 2 connections/);
  t.is(planProposal({ ...facts, closed: false }).operation?.kind, 'Restore');
  t.is(planProposal({ ...facts, proposal: proposal(enforced()) }).operation?.kind, 'Restore');
});

test('no number is given to two revisions', (t) => {
  const back = planProposal(
    factsOf({ proposal: proposal(enforced()), standing: inForceStanding, judgement: judged.rollback }),
  );
  const again = planProposal(
    factsOf({ proposal: proposal(back.status), standing: inForceStanding, judgement: judged.approved }),
  );
  t.is(again.operation?.target.revision, 3);
});

test('retiring takes the policies away, and what was in force can be restored', (t) => {
  const plan = planProposal(
    factsOf({ proposal: proposal(enforced()), standing: inForceStanding, judgement: judged.retire }),
  );
  t.like(plan.operation, { kind: 'Retire', target: { policies: '' } });
  t.is(plan.status.enforced, undefined);
  t.deepEqual(plan.status.revisions[0], revision(2));
  t.deepEqual(actions(plan), ['Retired']);
});

test('drift is repaired, or reported where the profile says so', (t) => {
  const inForce = {
    drift: { policy: 'nanoseg-cart', message: 'NetworkPolicy nanoseg-cart was edited' },
    applyingDone: false,
    adopted: undefined,
  };
  const facts = factsOf({ proposal: proposal(enforced()), standing: inForceStanding, inForce });
  const repaired = planProposal(facts);
  t.deepEqual(repaired.repair, revision(2));
  t.deepEqual(actions(repaired), ['DriftFound', 'DriftRepaired']);
  t.is(repaired.status.drift, undefined);
  const reported = planProposal({ ...facts, profile: { ...facts.profile, drift: 'report' } });
  t.is(reported.repair, undefined);
  t.is(reported.status.drift?.policy, 'nanoseg-cart');
  t.is(reported.status.conditions.find(({ type }) => type === 'Drifted')?.status, 'True');
  const again = planProposal({
    ...facts,
    profile: { ...facts.profile, drift: 'report' },
    proposal: proposal(reported.status),
  });
  t.deepEqual(actions(again), []);
});

test('a crash between the policies and the status is finished without another decision', (t) => {
  const begun = planProposal(factsOf({ judgement: judged.approved }));
  const inForce = { drift: undefined, applyingDone: true, adopted: undefined };
  const finished = planProposal(factsOf({ proposal: proposal(begun.before), inForce }));
  t.is(finished.status.state, 'Enforced');
  t.deepEqual(finished.status.enforced, begun.operation?.target);
  t.deepEqual(actions(finished), ['Applied']);
  // whoever recorded it before the crash recorded the very same
  const later = planProposal(factsOf({ proposal: proposal(begun.before), inForce, nowMs: Date.UTC(2026, 10, 2) }));
  t.deepEqual(later.records, begun.records);
});

test('an apply that was cut short before any policy was written needs a valid approval again', (t) => {
  const begun = planProposal(factsOf({ judgement: judged.approved }));
  const expired = planProposal(factsOf({ proposal: proposal(begun.before) }));
  t.is(expired.operation, undefined);
  t.is(expired.status.applying, undefined);
  const still = planProposal(factsOf({ proposal: proposal(begun.before), judgement: judged.approved }));
  t.deepEqual(still.operation, begun.operation);
});

test('what takes the place of something unfinished is stored before it is begun', (t) => {
  const begun = planProposal(factsOf({ proposal: proposal(enforced()), judgement: judged.approved }));
  t.is(begun.before?.applying?.kind, 'Apply');
  const taken = planProposal(factsOf({ proposal: proposal(begun.before), judgement: judged.retire }));
  t.is(taken.operation?.kind, 'Retire');
  t.deepEqual(taken.before?.applying, taken.operation);
});

test('a rollback that was cut short is finished in any case', (t) => {
  const begun = planProposal(
    factsOf({ proposal: proposal(enforced()), standing: inForceStanding, judgement: judged.rollback }),
  );
  const finished = planProposal(factsOf({ proposal: proposal(begun.before), standing: inForceStanding }));
  t.deepEqual(finished.operation, begun.operation);
  t.is(finished.status.state, 'RolledBack');
});

test('what is stored without a status is adopted and not applied anew', (t) => {
  const adopted = revision(4);
  const inForce = { drift: undefined, applyingDone: false, adopted };
  const same = planProposal(factsOf({ standing: standing({ digest: adopted.digest }), inForce }));
  t.is(same.operation, undefined);
  t.is(same.status.state, 'Enforced');
  t.deepEqual(same.status.enforced, adopted);
  const other = planProposal(factsOf({ inForce }));
  t.is(other.status.state, 'Ready');
  t.deepEqual(other.status.enforced, adopted);
});

test('a newcomer that may talk freely says so, and until when', (t) => {
  const condition = (facts: Partial<ProposalFacts>) =>
    planProposal(factsOf(facts)).status.conditions.find(({ type }) => type === 'LearningAllowance');
  t.like(condition({ allowedUntil: '2026-11-02T12:00:00.000Z' }), { status: 'True', reason: 'OpenForAWhile' });
  t.regex(condition({ allowedUntil: '2026-11-02T12:00:00.000Z' })?.message ?? '', /until 2026-11-02T12:00/);
  t.is(condition({})?.status, 'False');
});

test('a proposal whose workload is gone keeps its policies until a person retires them', (t) => {
  const facts = factsOf({
    proposal: proposal(enforced()),
    standing: inForceStanding,
    superseded: 'its workload is gone',
  });
  const plan = planProposal(facts);
  t.is(plan.status.state, 'Superseded');
  t.is(plan.operation, undefined);
  t.deepEqual(plan.status.enforced, revision(2));
  t.is(planProposal({ ...facts, judgement: judged.retire }).operation?.kind, 'Retire');
});

const arbitraryFacts: fc.Arbitrary<ProposalFacts> = fc
  .record({
    judgement: fc.constantFrom(...Object.values(judged)),
    proof: fc.boolean(),
    digest: fc.constantFrom('sha256:new', 'sha256:1', 'sha256:2'),
    status: fc.option(
      fc.record({
        state: fc.constantFrom(
          'Ready',
          'Approved',
          'Enforced',
          'Rejected',
          'RolledBack',
          'Invalid',
          'Superseded',
          'Learning',
        ),
        enforced: fc.boolean(),
        applying: fc.boolean(),
      }),
      { nil: undefined },
    ),
    mode: fc.constantFrom('observe', 'propose', 'enforce'),
    stopped: fc.option(fc.constant('stopped'), { nil: undefined }),
    superseded: fc.option(fc.constant('gone'), { nil: undefined }),
    drift: fc.boolean(),
    guard: fc.boolean(),
    done: fc.boolean(),
  })
  .map(({ judgement, proof, digest, status, mode, stopped, superseded, drift, guard, done }) => {
    const base = enforced();
    const { enforced: _, ...bare } = base;
    const operation = planProposal(factsOf({ judgement: judged.approved })).operation;
    const stored =
      status &&
      ({
        ...(status.enforced ? base : bare),
        state: status.state,
        digest,
        ...(status.applying && operation ? { applying: operation } : {}),
      } as ProposalStatus);
    return factsOf({
      judgement,
      standing: standing({ digest, ...(proof ? {} : { proof: failedProof }) }),
      proposal: proposal(stored),
      profile: { ...defaultProfile, mode: mode as 'enforce' },
      stopped,
      superseded,
      inForce: {
        drift: drift && status?.enforced ? { policy: 'nanoseg-cart', message: 'edited' } : undefined,
        applyingDone: done,
        adopted: undefined,
      },
      guard: guard ? { kind: 'rollback', because: 'denied' } : { kind: 'keep' },
    });
  });

test('no policy changes without a valid decision, and none is applied whose proof failed', (t) => {
  fc.assert(
    fc.property(arbitraryFacts, (facts) => {
      const { operation, repair } = planProposal(facts);
      if (facts.stopped !== undefined) t.deepEqual([operation, repair], [undefined, undefined]);
      if (facts.profile.mode !== 'enforce') t.is(repair, undefined);
      if (operation?.kind !== 'Apply') return;
      const resumed = facts.proposal.status?.applying !== undefined && facts.inForce.applyingDone;
      const approved = facts.judgement.kind === 'approved' || facts.judgement.kind === 'approved-by-rule';
      t.true(resumed || (approved && facts.standing.proof.valid && facts.profile.mode === 'enforce'));
    }),
    { numRuns: 2000 },
  );
});

test('a plan that was carried out leaves nothing to do', (t) => {
  fc.assert(
    fc.property(arbitraryFacts, (facts) => {
      const { status, operation } = planProposal(facts);
      // what was begun before the text changed is finished first, and the text is looked at in the next step
      if (operation?.kind === 'Apply' && operation.target.digest !== facts.standing.digest) return;
      const settled: ProposalFacts = {
        ...facts,
        proposal: proposal(status),
        // decisions that were acted upon are void by then: their digest is not in force any more, or they came before
        judgement:
          facts.judgement.kind === 'approved' || facts.judgement.kind === 'approved-by-rule'
            ? facts.judgement
            : judged.none,
        inForce: { ...facts.inForce, drift: undefined },
        guard: { kind: 'keep' },
      };
      if (status.state === 'RolledBack' && settled.judgement !== judged.none) return;
      const again = planProposal(settled);
      t.is(again.operation, undefined);
      t.deepEqual(actions(again), []);
      t.deepEqual(again.status.enforced, status.enforced);
      if (operation === undefined) t.is(again.status.state, status.state);
    }),
    { numRuns: 2000 },
  );
});
