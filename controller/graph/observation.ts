import type { FlowLoss, FlowSourceKind } from '../model/flow.ts';
import { type BinRun, type LossPeriod, lossPeriodMs, type NodeFlows, type NodeLosses } from './graph-delta.ts';
import { type BinSet, foldBin, unionBins } from './time-bins.ts';

/** Bins kept per node and source before they are folded: two weeks of five minutes. */
const nodeBinLimit = 4096;

/** Hours with losses that are kept per node and source: six weeks of them. */
const lossPeriodLimit = 1000;

interface FlowsOfNode {
  readonly source: FlowSourceKind;
  readonly node: string;
  flows: number;
  firstMs: number;
  lastMs: number;
  level: number;
  bins: Set<number>;
  /** Of the latest flow. */
  lastBin: number;
  /** Of its bins those in which it was observed and no flow came, as far as this process knows. */
  quiet: Set<number>;
  changed: boolean;
  /** Of the flows, those that were there when it was taken last. */
  taken: number;
}

type LossTable = Map<FlowSourceKind, Map<string, NodeLosses>>;

/** Records that changed, whole; and with what was added to them instead of their counts. */
interface ChangedRecords {
  readonly flows: NodeFlows[];
  readonly losses: NodeLosses[];
  readonly gained: { readonly flows: NodeFlows[]; readonly losses: NodeLosses[] };
}

/** Who reported flows when, and who lost some: grows with nodes and time, not with flows. */
export class Observation {
  readonly #widths: readonly number[];
  readonly #flows = new Map<FlowSourceKind, Map<string, FlowsOfNode>>();
  readonly #losses: LossTable = new Map();
  /** What was added to those since they were taken last. */
  readonly #gainedLosses: LossTable = new Map();
  #latest: FlowsOfNode | undefined;

  constructor(widths: readonly number[]) {
    this.#widths = widths;
  }

  flow(source: FlowSourceKind, node: string, timeMs: number, endMs: number, bin: number): void {
    let record = this.#latest;
    if (record === undefined || record.source !== source || record.node !== node) {
      record = this.#of(source, node);
      this.#latest = record;
    }
    record.flows++;
    record.changed = true;
    if (timeMs < record.firstMs) record.firstMs = timeMs;
    if (endMs > record.lastMs) record.lastMs = endMs;
    if (bin === record.lastBin) return;
    record.lastBin = bin;
    const folded = foldBin(this.#widths, 0, record.level, bin);
    record.quiet.delete(folded);
    if (record.bins.has(folded)) return;
    if (record.bins.size < nodeBinLimit) record.bins.add(folded);
    else this.#addBins(record, { level: 0, bins: [bin] }, 'heard');
  }

  /** It was observed then: its bins are filled as flows fill them. */
  observed(source: FlowSourceKind, node: string, fromMs: number, toMs: number): void {
    const record = this.#of(source, node);
    record.changed = true;
    record.firstMs = Math.min(record.firstMs, fromMs);
    record.lastMs = Math.max(record.lastMs, toMs);
    const [finestMs = 1] = this.#widths;
    const last = Math.floor(Math.max(fromMs, toMs - 1) / finestMs);
    for (let bin = Math.floor(fromMs / finestMs); bin <= last; bin++) {
      const folded = foldBin(this.#widths, 0, record.level, bin);
      if (record.bins.has(folded)) continue;
      if (record.bins.size >= nodeBinLimit) this.#addBins(record, { level: 0, bins: [bin] }, 'quiet');
      else {
        record.bins.add(folded);
        record.quiet.add(folded);
      }
    }
  }

  /** Whether a node reported any flow in a bin of the finest width, or in the one before. */
  isHeardOf(source: FlowSourceKind, node: string, bin: number): boolean {
    const record = this.#flows.get(source)?.get(node);
    if (record === undefined) return false;
    return record.lastBin === bin || this.#isHeardIn(record, bin) || this.#isHeardIn(record, bin - 1);
  }

  #isHeardIn({ bins, quiet, level }: FlowsOfNode, bin: number): boolean {
    const folded = foldBin(this.#widths, 0, level, bin);
    return bins.has(folded) && !quiet.has(folded);
  }

  loss({ timeMs, source, node, kind, events }: FlowLoss): void {
    const startMs = Math.floor(timeMs / lossPeriodMs) * lossPeriodMs;
    const of = (missing: Partial<LossPeriod>): NodeLosses => {
      const period = { startMs, lost: 0, uncounted: 0, unavailable: 0, ...missing };
      return { source, node, sampling: 1, periods: [period] };
    };
    switch (kind) {
      case 'lost':
        return this.#addLosses(of(events === undefined ? { uncounted: 1 } : { lost: events }));
      case 'unavailable':
        return this.#addLosses(of({ unavailable: 1 }));
      case 'sampled':
        return this.#addLosses({ source, node, sampling: Math.max(events ?? 2, 1), periods: [] });
      case 'started':
        // of a node that nobody knew nothing is missing: its observation begins here, which is noted without a loss
        if (this.#isKnown(source, node)) return this.#addLosses(of({ uncounted: 1 }));
        return this.#addLosses({ source, node, sampling: 1, periods: [] });
    }
  }

  merge(flows: readonly NodeFlows[], losses: readonly NodeLosses[]): void {
    for (const { source, node, flows: count, firstMs, lastMs, binMs, runs } of flows) {
      const record = this.#of(source, node);
      record.flows += count;
      record.changed = true;
      record.firstMs = Math.min(record.firstMs, firstMs);
      record.lastMs = Math.max(record.lastMs, lastMs);
      const bins = runs.flatMap((run) => Array.from({ length: run.bins }, (_, i) => run.startMs / binMs + i));
      this.#addBins(record, { level: this.#widths.indexOf(binMs), bins }, 'heard');
    }
    for (const loss of losses) this.#addLosses(loss);
  }

  flows(): NodeFlows[] {
    return sorted(this.#flows).map((record) => this.#flowsOf(record));
  }

  losses(): NodeLosses[] {
    return sorted(this.#losses);
  }

  /** The records that changed since this was asked last. */
  takeChanged(): ChangedRecords {
    const changed = sorted(this.#flows).filter((record) => record.changed);
    const flows = changed.map((record) => this.#flowsOf(record));
    const gained = {
      flows: flows.map((record, i) => ({ ...record, flows: record.flows - (changed[i]?.taken ?? 0) })),
      losses: sorted(this.#gainedLosses),
    };
    for (const record of changed) {
      record.changed = false;
      record.taken = record.flows;
    }
    const losses = sorted(this.#losses).filter(({ source, node }) => this.#gainedLosses.get(source)?.has(node));
    this.#gainedLosses.clear();
    return { flows, losses, gained };
  }

  #isKnown(source: FlowSourceKind, node: string): boolean {
    return [this.#flows, this.#losses].some((records) => records.get(source)?.has(node));
  }

  #flowsOf({ source, node, flows, firstMs, lastMs, level, bins }: FlowsOfNode): NodeFlows {
    const binMs = this.#widths[level] ?? 1;
    return { source, node, flows, firstMs, lastMs, binMs, runs: runsOf(bins, binMs) };
  }

  #of(source: FlowSourceKind, node: string): FlowsOfNode {
    const nodes = this.#flows.get(source) ?? new Map<string, FlowsOfNode>();
    this.#flows.set(source, nodes);
    const known = nodes.get(node);
    if (known) return known;
    const fresh: FlowsOfNode = {
      source,
      node,
      flows: 0,
      firstMs: Number.POSITIVE_INFINITY,
      lastMs: Number.NEGATIVE_INFINITY,
      level: 0,
      bins: new Set(),
      lastBin: -1,
      quiet: new Set(),
      changed: true,
      taken: 0,
    };
    nodes.set(node, fresh);
    return fresh;
  }

  #addBins(record: FlowsOfNode, added: BinSet, how: 'heard' | 'quiet'): void {
    const known = [...record.bins];
    const union = unionBins(this.#widths, { level: record.level, bins: known }, added, nodeBinLimit);
    const folded = (level: number, bins: readonly number[]) =>
      bins.map((bin) => foldBin(this.#widths, level, union.level, bin));
    const heard = folded(
      record.level,
      known.filter((bin) => !record.quiet.has(bin)),
    );
    const heardNow = new Set(how === 'heard' ? [...heard, ...folded(added.level, added.bins)] : heard);
    record.level = union.level;
    record.bins = new Set(union.bins);
    record.quiet = new Set(union.bins.filter((bin) => !heardNow.has(bin)));
  }

  #addLosses(added: NodeLosses): void {
    addTo(this.#losses, added);
    addTo(this.#gainedLosses, added);
  }
}

function addTo(table: LossTable, added: NodeLosses): void {
  const nodes = table.get(added.source) ?? new Map<string, NodeLosses>();
  table.set(added.source, nodes);
  const known = nodes.get(added.node);
  const sum: NodeLosses =
    known === undefined
      ? added
      : {
          ...added,
          sampling: Math.max(known.sampling, added.sampling),
          periods: unitedPeriods(known.periods, added.periods),
        };
  nodes.set(added.node, sum);
}

/** Beyond the limit the oldest are told as of the hour of the one after them: what is missing never looks older than it is. */
function unitedPeriods(known: readonly LossPeriod[], added: readonly LossPeriod[]): readonly LossPeriod[] {
  const united = new Map(known.map((period) => [period.startMs, period]));
  for (const period of added) united.set(period.startMs, sumOf(united.get(period.startMs), period));
  const periods = [...united.values()].sort((a, b) => a.startMs - b.startMs);
  const oldest = periods.splice(0, Math.max(0, periods.length - lossPeriodLimit));
  const [first, ...others] = periods;
  if (first === undefined || oldest.length === 0) return periods;
  return [{ ...oldest.reduce(sumOf, first), startMs: first.startMs }, ...others];
}

function sumOf(one: LossPeriod | undefined, other: LossPeriod): LossPeriod {
  if (one === undefined) return other;
  return {
    startMs: other.startMs,
    lost: one.lost + other.lost,
    uncounted: one.uncounted + other.uncounted,
    unavailable: one.unavailable + other.unavailable,
  };
}

function sorted<Value extends { readonly source: string; readonly node: string }>(
  table: ReadonlyMap<string, ReadonlyMap<string, Value>>,
): Value[] {
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...table.values()]
    .flatMap((nodes) => [...nodes.values()])
    .sort((a, b) => order(a.source, b.source) || order(a.node, b.node));
}

function runsOf(bins: ReadonlySet<number>, binMs: number): BinRun[] {
  const runs: { startMs: number; bins: number }[] = [];
  let next = -1;
  for (const bin of [...bins].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && bin === next) last.bins++;
    else runs.push({ startMs: bin * binMs, bins: 1 });
    next = bin + 1;
  }
  return runs;
}
