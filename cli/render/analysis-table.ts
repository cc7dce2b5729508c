import type { Analysis, AnalysedProposal } from '../../controller/analysis.ts';
import { counted } from '../../controller/model/counted.ts';
import type { HeldBack, Omission, OverGrant } from '../../controller/model/proposal.ts';
import { endpointWords } from '../../controller/model/endpoint.ts';
import { parseWorkloadKey, type WorkloadKey } from '../../controller/model/workload.ts';
import { heldBackOf } from './analysis-report.ts';
import { connectionWords } from '../../controller/view/connection-words.ts';
import { section } from './section.ts';
import { renderTable } from './table.ts';

/** What a person wants to see: the proposals, then everything that is not in them, with why. Ends with a newline. */
export function analysisTable(analysis: Analysis): string {
  const { proposals, refusals, withoutEvidence } = analysis;
  const learning = proposals.filter(({ state }) => state === 'Learning');
  const invalid = proposals.filter(({ state }) => state === 'Invalid');
  const noted = proposals.filter(({ synthesis }) => synthesis.notes.length > 0);
  const heldBack = heldBackOf(analysis);
  const omissions = omissionsOf(analysis);
  const sections = [
    proposalTable(proposals),
    section(
      'Invalid: the proof failed, nothing was written',
      invalid.flatMap(({ synthesis, proof }) =>
        proof.checks
          .filter(({ passed }) => !passed)
          .map(({ name, message }) => `${short(synthesis.workload)}: ${name}: ${message}`),
      ),
    ),
    section('Still learning', learningLines(learning), learning.length),
    section(
      'Held back: suspicious, not learned until the profile accepts it',
      groupedHeldBack(heldBack),
      heldBack.length,
    ),
    section(
      'Refused: no policy can be made',
      refusals.map(({ refusal, joint }) => {
        const offer = joint
          ? `; instead the joint policy ${joint.draft.name}`
          : refusal.joint
            ? '; jointPolicies in the profile gives one policy for all of them'
            : '';
        return `${short(refusal.workload)}: ${refusal.message}${offer}`;
      }),
    ),
    section('Seen, but no rule is written for it', groupedOmissions(omissions), omissions.length),
    section(
      'Notes',
      noted.flatMap(({ synthesis }) => synthesis.notes.map((note) => `${short(synthesis.workload)}: ${note}`)),
    ),
    section(
      'No policy, for lack of evidence',
      withoutEvidence.map(({ workload, message }) => `${short(workload)}: ${message}`),
    ),
    totals(analysis),
  ];
  return sections.filter((text) => text !== '').join('\n');
}

function proposalTable(proposals: readonly AnalysedProposal[]): string {
  if (proposals.length === 0) return 'No proposal: no workload has evidence that a policy could be made from.\n';
  const columns = [
    { title: 'NAMESPACE' },
    { title: 'WORKLOAD' },
    { title: 'STATE' },
    { title: 'RULES', align: 'right' },
    { title: 'COVERAGE', align: 'right' },
    { title: 'CLOSES' },
    { title: 'OVER-GRANT' },
  ] as const;
  const rows = proposals.map(({ synthesis, state, draft, readiness, proof }) => {
    const { namespace, kind, name } = parseWorkloadKey(synthesis.workload);
    const { reachableBefore: before, reachableAfter: after } = proof;
    return [
      namespace,
      `${kind.toLowerCase()}/${name}`,
      state,
      `${draft.ingress.length + draft.egress.length}`,
      readiness.coverage === 'unknown' ? 'unknown' : `${(Math.floor(readiness.coverage * 1_000) / 10).toFixed(1)}%`,
      proof.valid ? `${Math.max(0, before - after)} of ${counted(before, 'pair')}` : '-',
      overGrantWords(proof.overGrants),
    ];
  });
  return renderTable(columns, rows);
}

/** `none`; `cluster-dns`; `2 by the profile, cluster-dns`. */
function overGrantWords(grants: readonly OverGrant[]): string {
  const wished = grants.filter(({ widenedBy }) => widenedBy !== undefined).length;
  const unasked = grants.filter(
    ({ widenedBy, allowance }) => widenedBy === undefined && allowance === undefined,
  ).length;
  const allowances = [...new Set(grants.flatMap(({ allowance }) => allowance ?? []))].sort();
  const parts = [
    ...(unasked > 0 ? [`${unasked} never seen`] : []),
    ...(wished > 0 ? [`${wished} by the profile`] : []),
    ...allowances,
  ];
  return parts.length === 0 ? 'none' : parts.join(', ');
}

/** What is missing, workload by workload; what all of several miss is said once, before. */
function learningLines(learning: readonly AnalysedProposal[]): string[] {
  const missing = learning.map(({ readiness }) => readiness.missing.map(({ message }) => message));
  const [first = [], ...others] = missing;
  const shared = others.length === 0 ? [] : first.filter((message) => others.every((list) => list.includes(message)));
  const own = learning.flatMap(({ synthesis }, i) => {
    const rest = missing[i]?.filter((message) => !shared.includes(message)) ?? [];
    return rest.length === 0 ? [] : [`${short(synthesis.workload)}: ${rest.join('; ')}`];
  });
  return shared.length === 0 ? own : [`all of them: ${shared.join('; ')}`, ...own];
}

/** Held-back connections by source and reason, so that a scan of hundreds of ports is one line. */
function groupedHeldBack(heldBack: readonly HeldBack[]): string[] {
  const groups = Map.groupBy(heldBack, ({ connection, because, message }) =>
    JSON.stringify([endpointWords(connection.source), because, message]),
  );
  return [...groups.values()].map((held) => {
    const [first] = held;
    if (!first) return '';
    const targets =
      held.length === 1
        ? connectionWords(first.connection)
        : `${endpointWords(first.connection.source)}, ${held.length} connections`;
    return `${targets}: ${first.because}: ${first.message}`;
  });
}

/** Every connection without a rule once, although both of its sides list it. */
function omissionsOf({ proposals, refusals, withoutEvidence }: Analysis): Omission[] {
  const all: Omission[] = [
    ...proposals.flatMap(({ synthesis }) => synthesis.omissions),
    ...refusals.flatMap(({ refusal }) => refusal.omissions),
    ...withoutEvidence.flatMap(({ omissions }) => omissions),
  ];
  return [...new Map(all.map((omission) => [omission.connection.id, omission])).values()];
}

function groupedOmissions(distinct: readonly Omission[]): string[] {
  const groups = Map.groupBy(distinct, ({ because }) => because);
  return [...groups].flatMap(([because, omissions]) => {
    const shown = omissions
      .slice(0, 3)
      .map(({ connection, message }) => `${because}: ${connectionWords(connection)}: ${message}`);
    return omissions.length > 3 ? [...shown, `${because}: and ${omissions.length - 3} more`] : shown;
  });
}

function totals({ window, proposals, exempt }: Analysis): string {
  const states = (['Ready', 'Learning', 'Invalid'] as const)
    .map((state) => [state, proposals.filter((proposal) => proposal.state === state).length] as const)
    .filter(([state, many]) => many > 0 || state === 'Ready')
    .map(([state, many]) => `${many} ${state.toLowerCase()}`);
  const rules = proposals.reduce((sum, { draft }) => sum + draft.ingress.length + draft.egress.length, 0);
  const span = window.span ? `, from ${duration(window.span.lastMs - window.span.firstMs)} of traffic` : '';
  const left = exempt.length > 0 ? `; ${counted(exempt.length, 'workload')} in exempt namespaces` : '';
  return `proposals: ${states.join(', ')}; ${counted(rules, 'rule')}${span}${left}\n`;
}

function duration(ms: number): string {
  const minutes = ms / 60_000;
  if (minutes < 2) return counted(Math.round(ms / 1_000), 'second');
  if (minutes < 120) return `${Math.round(minutes)} minutes`;
  return minutes < 2_880 ? `${Math.round(minutes / 60)} hours` : `${Math.round(minutes / 1_440)} days`;
}

function short(key: WorkloadKey): string {
  const { namespace, name } = parseWorkloadKey(key);
  return `${namespace}/${name}`;
}
