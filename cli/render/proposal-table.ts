import type { PolicyProposal, ProposalStatus } from '../../controller/model/policy-proposal.ts';
import { inForce, shortDigest } from '../../controller/view/decided.ts';
import { workloadWords } from '../../controller/view/proposal-names.ts';
import { closesWords, overGrantNames } from '../../controller/view/proposal-figures.ts';
import { age } from './age.ts';
import { printable } from './printable.ts';
import type { Column } from './table.ts';

const columns: readonly Column[] = [
  { title: 'NAMESPACE' },
  { title: 'WORKLOAD' },
  { title: 'STATE' },
  { title: 'CHANGE' },
  { title: 'RULES', align: 'right' },
  { title: 'COVERAGE', align: 'right' },
  { title: 'CLOSES' },
  { title: 'OVER-GRANT' },
  { title: 'REVISION', align: 'right' },
  { title: 'AGE', align: 'right' },
];

const wideColumns: readonly Column[] = [
  ...columns,
  { title: 'APPROVALS' },
  { title: 'WOULD-DENY' },
  { title: 'HELD-BACK', align: 'right' },
  { title: 'DEVIATIONS', align: 'right' },
  { title: 'DIGEST' },
  { title: 'MESSAGE' },
];

export function proposalColumns(wide: boolean): readonly Column[] {
  return wide ? wideColumns : columns;
}

/** One row of `nanoseg proposals`; a proposal that the controller has not looked at yet has no more than its name. */
export function proposalRow(proposal: PolicyProposal, wide: boolean, nowMs: number): string[] {
  const { metadata, status } = proposal;
  const created = metadata.creationTimestamp === undefined ? '-' : age(metadata.creationTimestamp, nowMs);
  const name = [metadata.namespace, workloadWords(proposal)];
  const row =
    status === undefined
      ? [...name, 'New', '-', '-', '-', '-', '-', '-', created]
      : [
          ...name,
          status.state,
          status.change,
          `${status.rules}`,
          // the default-deny of a namespace is made from policies, and not from what was seen
          proposal.spec.scope === 'Namespace' ? '-' : status.readiness.coverage,
          closesWords(status),
          overGrantNames(status),
          `${inForce(status)?.revision ?? '-'}`,
          created,
        ];
  return (wide && status !== undefined ? [...row, ...wideCells(status)] : row).map((cell) => printable(cell));
}

function wideCells({ approvals, live, heldBack, deviations, digest, message }: ProposalStatus): string[] {
  const given = new Set(approvals.given.map(({ user }) => user)).size;
  const claimed = approvals.given.some(({ identity }) => identity === 'Claimed') ? ' (claimed)' : '';
  return [
    approvals.autoRule === undefined ? `${given} of ${approvals.required}${claimed}` : 'by rule',
    live === undefined ? '-' : `${live.wouldDeny} of ${live.judged}`,
    `${heldBack.count}`,
    `${deviations.length}`,
    shortDigest(digest),
    message,
  ];
}
