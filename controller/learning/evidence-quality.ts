import { lossPeriodMs, type NodeFlows, type NodeLosses, type ObservationWindow } from '../graph/graph-delta.ts';
import { counted } from '../model/counted.ts';
import type { NodeBeginning } from './node-beginnings.ts';
import type { Span } from './obligations.ts';

/** A node that is silent for more than this share of the time was not observed, rather than quiet. */
const acceptedSilence = 0.1;

/** What is wrong with the observation of some nodes; every entry keeps their workloads from being ready. */
export interface QualityFinding {
  readonly code: 'loss' | 'unavailable' | 'sampled' | 'silence' | 'unobserved-node';
  readonly message: string;
}

/** What is missing for good, and what was made up for since. */
export interface QualityTerms {
  /** The largest share of lost events that is accepted. */
  readonly loss: number;
  /** Watching without a hole since then is enough, in ms since 1970. */
  readonly sinceMs: number;
}

/**
 * What is known to be missing from the reports of the nodes that a workload runs on; with no nodes known, of all. A
 * report that names no node counts for each of them. A node that was not observed is so until it reports again, and
 * nothing is missing of one from before it existed.
 */
export function evidenceQuality(
  window: ObservationWindow,
  terms: QualityTerms,
  beginnings: ReadonlyMap<string, NodeBeginning>,
): (nodes: readonly string[]) => readonly QualityFinding[] {
  const flows = Map.groupBy(window.flows, ({ node }) => node);
  const losses = Map.groupBy(window.losses, ({ node }) => node);
  const reporting = [...new Set([...flows.keys(), ...losses.keys()])].sort();
  const named = [...flows.keys()].some((node) => node !== '');
  const of = <Value>(table: ReadonlyMap<string, readonly Value[]>, node: string): readonly Value[] =>
    node === '' ? (table.get('') ?? []) : [...(table.get(node) ?? []), ...(table.get('') ?? [])];

  const judged = new Map<string, readonly QualityFinding[]>();
  const judge = (node: string): readonly QualityFinding[] => {
    const known = judged.get(node) ?? findingsOf(node);
    judged.set(node, known);
    return known;
  };
  const findingsOf = (node: string): readonly QualityFinding[] => {
    const { span } = window;
    if (span === undefined) return [];
    const heardMs = firstHeardMs(flows.get(node) ?? [], losses.get(node) ?? []);
    const life = node === '' ? span : lifeIn(span, beginnings.get(node), heardMs, terms);
    return nodeQuality(node, span, life, of(flows, node), of(losses, node), terms);
  };
  return (nodes) => (named && nodes.length > 0 ? nodes.toSorted() : reporting).flatMap(judge);
}

/** When it was heard of first, at the latest. */
function firstHeardMs(flows: readonly NodeFlows[], losses: readonly NodeLosses[]): number {
  const lossMs = losses.flatMap(({ periods }) => periods.slice(0, 1).map(({ startMs }) => startMs + lossPeriodMs));
  return Math.min(...flows.map(({ firstMs }) => firstMs), ...lossMs);
}

/**
 * The part of the span in which a node is taken to have existed. Where nobody knows when it was made, it may have been there
 * before anything was seen of it: that is made up for as a loss is, by watching it for long enough.
 */
function lifeIn(span: Span, beginning: NodeBeginning | undefined, heardMs: number, { sinceMs }: QualityTerms): Span {
  const knownMs = Math.min(beginning?.knownMs ?? Number.POSITIVE_INFINITY, heardMs);
  const firstMs = beginning?.made === true ? knownMs : Math.min(knownMs, sinceMs);
  return { firstMs: Math.max(span.firstMs, Math.min(firstMs, span.lastMs)), lastMs: span.lastMs };
}

/** `life`: the part of the span in which the node existed. */
function nodeQuality(
  node: string,
  span: Span,
  life: Span,
  flows: readonly NodeFlows[],
  losses: readonly NodeLosses[],
  terms: QualityTerms,
): QualityFinding[] {
  const name = node === '' ? 'a source that names no node' : `node ${node}`;
  const findings = lossFindings(name, life, flows, losses, terms);
  if (flows.length === 0) return [{ code: 'unobserved-node', message: `${name} reported no flow` }, ...findings];
  const lifeMs = life.lastMs - life.firstMs;
  const silentMs = silence(flows, life);
  if (silentMs > acceptedSilence * lifeMs) {
    const time = life.firstMs === span.firstMs ? 'window' : `time since ${new Date(life.firstMs).toISOString()}`;
    findings.push({
      code: 'silence',
      message: `${name} reported nothing for ${percent(silentMs / lifeMs)} of the ${time}`,
    });
  }
  return findings;
}

function lossFindings(
  name: string,
  { firstMs, lastMs }: Span,
  flows: readonly NodeFlows[],
  losses: readonly NodeLosses[],
  { loss: limit, sinceMs }: QualityTerms,
): QualityFinding[] {
  const recent = losses.flatMap(({ periods }) => periods.filter(({ startMs }) => startMs + lossPeriodMs > sinceMs));
  const lost = recent.reduce((sum, entry) => sum + entry.lost, 0);
  const uncounted = recent.reduce((sum, entry) => sum + entry.uncounted, 0);
  const unavailable = losses.reduce((sum, entry) => sum + unavailableIn(entry, flows, sinceMs), 0);
  const share = Math.min(1, (lastMs - sinceMs) / Math.max(1, lastMs - firstMs));
  // how many flows came when is not kept: as if they had come evenly
  const reported = flows.reduce((sum, entry) => sum + entry.flows, 0) * Math.max(0, share);
  const sampling = losses.reduce((most, entry) => Math.max(most, entry.sampling), 1);
  const findings: QualityFinding[] = [];
  if (lost / (lost + reported) > limit) {
    const part = percent(lost / (lost + reported));
    findings.push({
      code: 'loss',
      message: `${name} lost ${counted(lost, 'event')}, ${part} of all (accepted: ${percent(limit)})`,
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

function unavailableIn({ source, periods }: NodeLosses, flows: readonly NodeFlows[], sinceMs: number): number {
  const heardMs = Math.max(...flows.filter((one) => one.source === source).map(({ lastMs }) => lastMs), 0);
  return periods
    .filter(({ startMs }) => startMs + lossPeriodMs > sinceMs || startMs + lossPeriodMs > heardMs)
    .reduce((sum, { unavailable }) => sum + unavailable, 0);
}

/** Time of a span in whose bins none of the reports has anything. */
function silence(reports: readonly NodeFlows[], { firstMs, lastMs }: Span): number {
  const heard = reports
    .flatMap(({ binMs, runs }) => runs.map((run) => [run.startMs, run.startMs + run.bins * binMs] as const))
    .sort(([a], [b]) => a - b);
  let silentMs = 0;
  let reached = firstMs;
  for (const [start, end] of heard) {
    silentMs += Math.max(0, Math.min(start, lastMs) - reached);
    reached = Math.max(reached, end);
  }
  return silentMs + Math.max(0, lastMs - reached);
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/** Never rounds a share below a limit up to it: 99.96 % stays under 100 %. */
export function percent(share: number): string {
  const digits = Math.floor(share * 1000) / 10;
  return share > 0 && digits === 0 ? `${(share * 100).toPrecision(1)}%` : `${digits}%`;
}
