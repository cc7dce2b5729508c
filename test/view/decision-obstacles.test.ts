import test from 'ava';
import { whyNot } from '../../controller/view/decision-obstacles.ts';
import { profileFrom } from '../../cli/effective-profile.ts';
import { problem } from '../../controller/model/problem.ts';
import { digestOf, policyText, proposalOf, revisionOf } from '../support/proposals.ts';

test('under a profile that cannot be used nothing is approved, and what is in force can be taken back', (t) => {
  const inForce = revisionOf(1, digestOf('e'), policyText('shop', 'cart', 'web'));
  const proposal = proposalOf('shop', 'cart', { enforced: inForce });
  const effective = profileFrom(problem('ProfileInvalid', 'spec.mode: no mode'), undefined, undefined);
  for (const decision of ['Approve', 'Reject'] as const) {
    t.regex(whyNot(proposal, decision, { effective })?.message ?? '', /can only be observed: spec\.mode/);
  }
  for (const decision of ['Rollback', 'Retire'] as const) {
    t.is(whyNot(proposal, decision, { effective }), undefined);
    t.is(whyNot(proposal, decision, { effective, onlyClaims: true })?.code, 'ProfileInvalid');
  }
});
