import type { PolicyProposal } from '../model/policy-proposal.ts';
import { inForce } from './decided.ts';
import { closesWords, overGrantNames } from './proposal-figures.ts';
import { proposalName } from './proposal-names.ts';
import type { ProposalSummary } from './proposal-shape.ts';

/** A proposal as lists show it. */
export function proposalSummary(proposal: PolicyProposal): ProposalSummary {
  const { metadata, spec, status } = proposal;
  const { namespace, name, creationTimestamp } = metadata;
  const named = {
    namespace,
    name,
    title: proposalName(proposal),
    scope: spec.scope,
    workloads: spec.workloads,
    createdAt: creationTimestamp ?? null,
  };
  if (status === undefined) return { ...named, ...nothingYet };
  const { readiness, approvals, live, digest } = status;
  return {
    ...named,
    state: status.state,
    message: status.message,
    digest,
    change: status.change,
    author: status.author,
    rules: status.rules,
    ready: readiness.state === 'ready',
    // the default-deny of a namespace is made from policies, and not from what was seen
    coverage: spec.scope === 'Namespace' ? '-' : readiness.coverage,
    missing: readiness.missing,
    closes: closesWords(status),
    overGrants: overGrantNames(status),
    heldBack: status.heldBack.count,
    shadow: live === undefined || live.digest !== digest ? null : { wouldDeny: live.wouldDeny, judged: live.judged },
    deviations: status.deviations.length,
    approvals: {
      given: new Set(approvals.given.map(({ user }) => user)).size,
      required: approvals.required,
      rule: approvals.autoRule ?? null,
    },
    revision: inForce(status)?.revision ?? null,
  };
}

const nothingYet = {
  state: 'New',
  message: 'the controller has not looked at it yet',
  digest: '',
  change: null,
  author: null,
  rules: 0,
  ready: false,
  coverage: '-',
  missing: [],
  closes: '-',
  overGrants: 'none',
  heldBack: 0,
  shadow: null,
  deviations: 0,
  approvals: { given: 0, required: 0, rule: null },
  revision: null,
} as const satisfies Partial<ProposalSummary>;
