import { type CidrSet, intersectAddresses, isEmptyAddresses } from '../../model/cidr.ts';
import type { ClusterIndex } from './cluster-index.ts';
import type { Evaluation } from './evaluation.ts';
import { ownersWithin } from './owners-within.ts';
import type { View } from './views.ts';

/**
 * Gives for a source workload the destinations that it may possibly reach: a superset, without repetition, from the
 * side that matches fewer, so that open egress costs nothing where ingress is closed, and the other way round.
 */
export function candidatePairs(evaluation: Evaluation): (source: number) => Iterable<number> {
  const { index, views } = evaluation;
  const meant = meantWorkloads(evaluation);
  const inbound = inboundRules(evaluation, meant);
  const everybody = index.keys.map((_, workload) => workload);
  const stamps = new Int32Array(index.keys.length);
  let stamp = 0;

  return (source) => {
    const sources = views.ofWorkload(source);
    // A node reaches pods that no rule names.
    const mayBypass = sources.some(({ kind }) => kind === 'hosts');
    const lists = smaller(
      sources.some(({ isolatedBy }) => isolatedBy.egress.length === 0)
        ? undefined
        : outboundLists(evaluation, meant, source),
      mayBypass ? undefined : inbound(source),
    );
    if (lists === undefined) return everybody;
    stamp++;
    const found: number[] = [];
    for (const list of lists) {
      for (const workload of list) {
        if (stamps[workload] === stamp) continue;
        stamps[workload] = stamp;
        found.push(workload);
      }
    }
    return found;
  };
}

type Lists = readonly (readonly number[])[];

/** Undefined stands for everybody. */
function smaller(a: Lists | undefined, b: Lists | undefined): Lists | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return total(a) <= total(b) ? a : b;
}

function total(lists: Lists): number {
  return lists.reduce((sum, { length }) => sum + length, 0);
}

/** Workloads behind the parts of rules, each worked out once. */
interface MeantWorkloads {
  bySelection(selection: number): readonly number[];
  /** Those that the inventory knows to have an address in the set. */
  byAddress(addressSet: number): readonly number[];
  /** Those of unknown address, or on hosts, that may have one in the set; two lists at most. */
  perhapsByAddress(addressSet: number): Lists;
}

function meantWorkloads({ index, compiled, cni }: Evaluation): MeantWorkloads {
  const selected: (readonly number[] | undefined)[] = [];
  const addressed: (readonly number[] | undefined)[] = [];
  const perhaps: (Lists | undefined)[] = [];
  const owners = (addressSet: number) => ownersWithin(index, compiled.addressSets[addressSet] as CidrSet);
  const meets = (addressSet: number, network: CidrSet) =>
    !isEmptyAddresses(intersectAddresses(compiled.addressSets[addressSet] as CidrSet, network));
  return {
    bySelection: (selection) => (selected[selection] ??= workloadsOf(index, compiled.selections[selection] ?? [])),
    byAddress: (addressSet) =>
      (addressed[addressSet] ??= cni.ipBlockMatchesPods === 'no' ? [] : [...new Set(owners(addressSet))]),
    perhapsByAddress: (addressSet) =>
      (perhaps[addressSet] ??= [
        ...(cni.ipBlockMatchesPods !== 'no' && meets(addressSet, index.podNetwork) ? [index.unaddressed] : []),
        ...(cni.ipBlockMatchesNodes === 'no' ? [] : [index.onHosts]),
      ]),
  };
}

function workloadsOf(index: ClusterIndex, classes: readonly number[]): number[] {
  return [...new Set(classes.map((id) => index.classes[id]?.workload as number))];
}

/** What the egress rules of a workload can mean; undefined: everybody. */
function outboundLists({ views }: Evaluation, meant: MeantWorkloads, source: number): Lists | undefined {
  const lists: (readonly number[])[] = [];
  for (const { isolatedBy } of views.ofWorkload(source)) {
    for (const policy of isolatedBy.egress) {
      for (const { everyone, selections, addressSet } of policy.egress ?? []) {
        if (everyone) return undefined;
        for (const selection of selections) lists.push(meant.bySelection(selection));
        if (addressSet !== undefined) lists.push(meant.byAddress(addressSet), ...meant.perhapsByAddress(addressSet));
      }
    }
  }
  return lists;
}

/** From a source to the destinations whose ingress rules can mean it. Sources on hosts are not its business. */
function inboundRules({ index, views, compiled }: Evaluation, meant: MeantWorkloads): (source: number) => Lists {
  const bySelection: (readonly number[])[][] = compiled.selections.map(() => []);
  const byAddress: (readonly number[])[][] = compiled.addressSets.map(() => []);
  const always: (readonly number[])[] = [
    index.keys.flatMap((_, workload) => (isOpen(views.ofWorkload(workload)) ? [workload] : [])),
  ];
  for (const policy of compiled.policies) {
    const reached = workloadsOf(index, policy.subjects);
    for (const { everyone, selections, addressSet } of policy.ingress ?? []) {
      if (everyone) always.push(reached);
      for (const selection of selections) bySelection[selection]?.push(reached);
      if (addressSet !== undefined) byAddress[addressSet]?.push(reached);
    }
  }
  const setsOf = new Map<number, number[]>();
  for (const [set, reached] of byAddress.entries()) {
    if (reached.length === 0) continue;
    for (const workload of meant.byAddress(set)) {
      const sets = setsOf.get(workload);
      if (sets) sets.push(set);
      else setsOf.set(workload, [set]);
    }
  }
  const unaddressed = new Set(index.unaddressed);
  const perhapsSets = [...byAddress.keys()].filter((set) => meant.perhapsByAddress(set).includes(index.unaddressed));
  return (source) => {
    const selections = new Set(views.ofWorkload(source).flatMap(({ selectedBy }) => [...selectedBy]));
    const sets = [...(setsOf.get(source) ?? []), ...(unaddressed.has(source) ? perhapsSets : [])];
    return [
      ...always,
      ...[...selections].flatMap((selection) => bySelection[selection] ?? []),
      ...sets.flatMap((set) => byAddress[set] ?? []),
    ];
  };
}

/** Whether some pod of a workload accepts everything. */
function isOpen(views: readonly View[]): boolean {
  return views.some(({ isolatedBy }) => isolatedBy.ingress.length === 0);
}
