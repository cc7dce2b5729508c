import type { PolicyProposal } from '../controller/model/policy-proposal.ts';
import { problem } from '../controller/model/problem.ts';
import type { Connection } from './connection.ts';
import { inForce, shortDigest } from '../controller/view/decided.ts';
import { effectiveProfile } from './effective-profile.ts';
import { pairJson } from '../controller/view/connection-json.ts';
import { lineDiff } from '../controller/view/line-diff.ts';
import { pairLines } from '../controller/view/pair-words.ts';
import { printable } from './render/printable.ts';
import { proposalName } from '../controller/view/proposal-names.ts';
import { pairsOf } from '../controller/view/decision-changes.ts';
import { proposedPolicies } from './proposed-policies.ts';
import { storedCluster } from './stored-cluster.ts';
import { exitCode, InputError, type Terminal } from './terminal.ts';

/** Which two texts of policies are compared. */
export type Comparison = 'in force' | 'previous' | 'newer';

interface Compared {
  readonly from: { readonly name: string; readonly policies: string };
  readonly to: { readonly name: string; readonly policies: string };
}

/** The difference of a proposal to what is in force, to what stood in it before, or to what nanoseg would write now. */
export async function diffProposal(
  connection: Connection,
  proposal: PolicyProposal,
  comparison: Comparison,
  output: 'table' | 'json',
  terminal: Terminal,
): Promise<void> {
  const { from, to } = compared(proposal, comparison);
  const { profile } = await effectiveProfile(connection.store, proposal.metadata.namespace, connection.systemNamespace);
  const cluster = await storedCluster(connection.store);
  // who may talk is always told against what is in force: the other texts never were
  const pairs = pairsOf(cluster, proposal, to.policies, profile.cni, proposedPolicies);
  const diff = lineDiff(from.policies, to.policies);
  if (output === 'json') {
    const known = 'unreadable' in pairs ? { unreadable: pairs.unreadable } : { pairs: pairs.map(pairJson) };
    const names = { from: from.name, to: to.name };
    terminal.out(`${JSON.stringify({ proposal: proposalName(proposal), ...names, diff, ...known }, undefined, 2)}\n`);
  } else {
    terminal.out(printable(`${textPart(from.name, to.name, diff)}\n${pairsPart(pairs)}`, true));
    const drift = proposal.status?.drift;
    if (drift !== undefined) terminal.err(printable(`warning: ${drift.policy} drifted: ${drift.message}\n`, true));
  }
  if (diff !== '' || (!('unreadable' in pairs) && pairs.length > 0)) terminal.exit(exitCode.finding);
}

function compared(proposal: PolicyProposal, comparison: Comparison): Compared {
  const { spec, status } = proposal;
  const name = proposalName(proposal);
  const proposed = { name: `proposed ${shortDigest(status?.digest)}`, policies: spec.policies };
  const missing = (what: string) => new InputError([problem('DecisionImpossible', `${name} ${what}`)]);
  switch (comparison) {
    case 'in force': {
      const current = status && inForce(status);
      const text = current?.policies ?? '';
      return {
        from: { name: current ? `in force, revision ${current.revision}` : 'nothing in force', policies: text },
        to: proposed,
      };
    }
    case 'previous': {
      const previous = status?.previous;
      if (previous === undefined) throw missing('has no former version: it is as nanoseg first proposed it');
      return {
        from: { name: `proposed before ${shortDigest(previous.digest)}`, policies: previous.policies },
        to: proposed,
      };
    }
    case 'newer': {
      const newer = status?.newer;
      if (newer === undefined) throw missing('is what nanoseg would write');
      return {
        from: proposed,
        to: { name: `nanoseg would write ${shortDigest(newer.digest)}`, policies: newer.policies },
      };
    }
  }
}

function textPart(from: string, to: string, diff: string): string {
  return diff === '' ? `no difference in the text: ${from}, ${to}\n` : `--- ${from}\n+++ ${to}\n${diff}`;
}

function pairsPart(pairs: ReturnType<typeof pairsOf>): string {
  if ('unreadable' in pairs) return `Who may talk is not compared: ${pairs.unreadable}\n`;
  const parts = [
    ['May talk, and may not now', pairLines(pairs, 'gained')],
    ['May not talk any more', pairLines(pairs, 'lost')],
    ['Uncertain', pairLines(pairs, 'uncertain')],
  ] as const;
  const text = parts
    .filter(([, lines]) => lines.length > 0)
    .map(([title, lines]) => `${title} (${lines.length})\n${lines.map((line) => `  ${line}\n`).join('')}`);
  return text.length === 0
    ? 'No difference in who may talk: that takes the policies of both sides.\n'
    : text.join('\n');
}
