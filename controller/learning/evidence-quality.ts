import type { NodeFlows, NodeLosses, ObservationWindow } from '../graph/graph-delta.ts';
import { counted } from '../model/counted.ts';

/** A node that is silent for more than this share of the window was not observed, rather than quiet. */
const acceptedSilence = 0.1;

/** What is wrong with the observation of some nodes; every entry keeps their workloads from being ready. */
export interface QualityFinding {
  readonly code: 'loss' | 'unavailable' | 'sampled' | 'silence' | 'unobserved-node';
  readonly message: string;
}

/**
 * What is known to be missing from the reports of the nodes that a workload runs on; with no nodes known, of all. A
 * report that names no node counts for each of them. `loss` is the largest share of lost events that is accepted.
 */
export function evidenceQuality(
  window: ObservationWindow,
  loss: number,
): (nodes: readonly string[]) => readonly QualityFinding[] {
  const flows = Map.groupBy(window.flows, ({ node }) => node);
  const losses = Map.groupBy(window.losses, ({ node }) => node);
  const reporting = [...new Set([...flows.keys(), ...losses.keys()])].sort();
  const named = [...flows.keys()].some((node) => node !== '');
  const of = <Value>(table: ReadonlyMap<string, readonly Value[]>, node: string): readonly Value[] =>
    node === '' ? (table.get('') ?? []) : [...(table.get(node) ?? []), ...(table.get('') ?? [])];

  const judged = new Map<string, readonly QualityFinding[]>();
  const judge = (node: string): readonly QualityFinding[] => {
    const known = judged.get(node) ?? nodeQuality(node, window, of(flows, node), of(losses, node), loss);
    judged.set(node, known);
    return known;
  };
  return (nodes) => (named && nodes.length > 0 ? nodes.toSorted() : reporting).flatMap(judge);
}

function nodeQuality(
  node: string,
  { span }: ObservationWindow,
  flows: readonly NodeFlows[],
  losses: readonly NodeLosses[],
  loss: number,
): QualityFinding[] {
  if (span === undefined) return [];
  const name = node === '' ? 'a source that names no node' : `node ${node}`;
  const reported = flows.reduce((sum, entry) => sum + entry.flows, 0);
  const findings = lossFindings(name, reported, losses, loss);
  if (flows.length === 0) return [{ code: 'unobserved-node', message: `${name} reported no flow` }, ...findings];
  const windowMs = span.lastMs - span.firstMs;
  const silentMs = silence(flows, span.firstMs, span.lastMs);
  if (silentMs > acceptedSilence * windowMs) {
    findings.push({
      code: 'silence',
      message: `${name} reported nothing for ${percent(silentMs / windowMs)} of the window`,
    });
  }
  return findings;
}

function lossFindings(name: string, reported: number, losses: readonly NodeLosses[], limit: number): QualityFinding[] {
  const lost = losses.reduce((sum, entry) => sum + entry.lost, 0);
  const uncounted = losses.reduce((sum, entry) => sum + entry.uncounted, 0);
  const unavailable = losses.reduce((sum, entry) => sum + entry.unavailable, 0);
  const sampling = losses.reduce((most, entry) => Math.max(most, entry.sampling), 1);
  const findings: QualityFinding[] = [];
  if (lost / (lost + reported) > limit) {
    const share = percent(lost / (lost + reported));
    findings.push({
      code: 'loss',
      message: `${name} lost ${counted(lost, 'event')}, ${share} of all (accepted: ${percent(limit)})`,
    });
  }
  if (uncounted > 0) {
    findings.push({ code: 'loss', message: `${name} lost events ${times(uncounted)}, and nobody knows how many` });
  }
  if (unavailable > 0) {
    findings.push({ code: 'unavailable', message: `${name} was reported as not observed ${times(unavailable)}` });
  }
  if (sampling > 1) {
    findings.push({ code: 'sampled', message: `${name} reported only 1 in ${sampling} events; samples prove nothing` });
  }
  return findings;
}

/** Time between `fromMs` and `toMs` in whose bins none of the reports has anything. */
function silence(reports: readonly NodeFlows[], fromMs: number, toMs: number): number {
  const heard = reports
    .flatMap(({ binMs, runs }) => runs.map((run) => [run.startMs, run.startMs + run.bins * binMs] as const))
    .sort(([a], [b]) => a - b);
  let silentMs = 0;
  let reached = fromMs;
  for (const [start, end] of heard) {
    if (start > reached) silentMs += start - reached;
    reached = Math.max(reached, end);
  }
  return silentMs + Math.max(0, toMs - reached);
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/** Never rounds a share below a limit up to it: 99.96 % stays under 100 %. */
export function percent(share: number): string {
  const digits = Math.floor(share * 1000) / 10;
  return share > 0 && digits === 0 ? `${(share * 100).toPrecision(1)}%` : `${digits}%`;
}
