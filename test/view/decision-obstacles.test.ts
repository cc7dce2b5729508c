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

test('what is in force can be taken back while an edited text waits for its proof', (t) => {
  const proposal = proposalOf('shop', 'cart', {
    enforced: revisionOf(1, digestOf('e'), policyText('shop', 'cart', 'web')),
  });
  const edited = { ...proposal, metadata: { ...proposal.metadata, generation: 2 } };
  t.is(whyNot(edited, 'Approve', {})?.code, 'ProposalChanged');
  t.is(whyNot(edited, 'Rollback', {}), undefined);
  t.is(whyNot(edited, 'Retire', {}), undefined);
});

test('where it is not known what was before, nothing can be brought back, and what is in force can be removed', (t) => {
  const enforced = revisionOf(3, digestOf('e'), policyText('shop', 'cart', 'web'));
  const proposal = proposalOf('shop', 'cart', { enforced, revisions: [] });
  t.regex(
    whyNot(proposal, 'Rollback', {})?.message ?? '',
    /what was before revision 3 is not known, and nanoseg retire/,
  );
  t.is(whyNot(proposal, 'Retire', {}), undefined);
  const former = revisionOf(2, digestOf('d'), policyText('shop', 'cart', 'db'));
  t.is(whyNot({ ...proposal, status: { ...proposal.status, revisions: [former] } }, 'Rollback', {}), undefined);
});
