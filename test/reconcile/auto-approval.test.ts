import test from 'ava';
import type { ProposalChange } from '../../controller/model/policy-proposal.ts';
import type { ApprovalQuestion } from '../../controller/reconcile/judge-approval.ts';
import { at, decided, judge, rules } from './approval-question.ts';

const shrinking = { name: 'less-is-fine', changes: ['Shrink'] as const, namespaceLabels: { tier: 'dev' } };
const automatic: Partial<ApprovalQuestion> = {
  rules: { ...rules, required: 2, automatic: [shrinking] },
  change: 'Shrink',
  namespaceLabels: { tier: 'dev', team: 'cart' },
};

test('a rule of the profile approves what it is made for, and is told by name', (t) => {
  t.like(judge([], automatic), {
    kind: 'approved-by-rule',
    rule: 'less-is-fine',
    words: 'rule less-is-fine of profile shop/default',
    given: [],
  });
});

const notByRule: Readonly<Record<string, Partial<ApprovalQuestion>>> = {
  'another kind of change': { change: 'Grow' },
  'no change at all': { change: 'None' },
  'what opens a connection that was denied': { attempts: 1 },
  'what was rejected or taken back before': { notBefore: at(-1) },
  'a namespace without the label': { namespaceLabels: { tier: 'prod' } },
  'a namespace without labels': { namespaceLabels: {} },
};

for (const [claim, parts] of Object.entries(notByRule)) {
  test(`no rule approves ${claim}`, (t) => {
    t.is(judge([], { ...automatic, ...parts }).kind, 'none');
  });
}

test('of what a person edited a rule approves only what takes rights away', (t) => {
  const any: readonly Exclude<ProposalChange, 'None'>[] = ['New', 'Grow', 'Shrink', 'Amend'];
  const generous = { ...rules, automatic: [{ name: 'all', changes: any, namespaceLabels: {} }] };
  for (const change of any) {
    t.is(judge([], { rules: generous, change }).kind, 'approved-by-rule');
    t.is(judge([], { rules: generous, change, edited: true }).kind, change === 'Shrink' ? 'approved-by-rule' : 'none');
  }
});

test('a rejection outweighs a rule too', (t) => {
  t.is(judge([decided({ decision: 'Reject' })], automatic).kind, 'rejected');
});
