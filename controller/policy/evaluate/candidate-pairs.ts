import type { CidrSet } from '../../model/cidr.ts';
import type { CompiledRule, Direction } from './compile-policies.ts';
import type { Evaluation } from './evaluation.ts';
import { ownersWithin } from './owners-within.ts';

/**
 * Gives for a source workload the destinations that it may possibly reach: a superset, without repetition, from the
 * side that matches fewer, so that open egress costs nothing where ingress is closed, and the other way round.
 */
export function candidatePairs(evaluation: Evaluation): (source: number) => Iterable<number> {
  const { index, views } = evaluation;
  const inbound = inboundRules(evaluation);
  const everybody = index.keys.map((_, workload) => workload);
  const stamps = new Int32Array(index.keys.length);
  let stamp = 0;

  return (source) => {
    const sources = views.ofWorkload(source);
    // A node reaches pods that no rule names.
    const mayBypass = sources.some(({ kind }) => kind === 'hosts');
    const lists = smaller(
      sources.some(({ isolatedBy }) => isolatedBy.egress.length === 0) ? undefined : outboundLists(evaluation, source),
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

/** What the egress rules of a workload can mean; undefined: everybody. */
function outboundLists(evaluation: Evaluation, source: number): Lists | undefined {
  const { views, compiled } = evaluation;
  const lists: (readonly number[])[] = [];
  for (const { isolatedBy } of views.ofWorkload(source)) {
    for (const policy of isolatedBy.egress) {
      for (const rule of policy.egress ?? []) {
        if (rule.everyone) return undefined;
        for (const selection of rule.selections)
          lists.push(workloadsAt(evaluation, compiled.selections[selection] ?? []));
        lists.push(...addressedBy(evaluation, rule));
      }
    }
  }
  return lists;
}

function workloadsAt({ index }: Evaluation, classes: readonly number[]): number[] {
  return classes.map((id) => index.classes[id]?.workload as number);
}

/** The workloads that the ipBlocks of a rule can mean. */
function addressedBy({ index, compiled, cni }: Evaluation, { addressSet }: CompiledRule): Lists {
  if (addressSet === undefined) return [];
  const set = compiled.addressSets[addressSet] as CidrSet;
  return [
    ...(cni.ipBlockMatchesPods === 'no' ? [] : [[...ownersWithin(index, set)], index.unaddressed]),
    ...(cni.ipBlockMatchesNodes === 'no' ? [] : [index.onHosts]),
  ];
}

/** From a source to the destinations whose ingress rules can mean it, by way of the selections that it is in. */
function inboundRules(evaluation: Evaluation): (source: number) => Lists {
  const { index, views, compiled } = evaluation;
  const subjects = compiled.policies.map((policy) => [...new Set(workloadsAt(evaluation, policy.subjects))]);
  const bySelection: (readonly number[])[][] = compiled.selections.map(() => []);
  const byWorkload = new Map<number, (readonly number[])[]>();
  const always: (readonly number[])[] = [
    index.keys.flatMap((_, workload) => (isOpen(evaluation, workload) ? [workload] : [])),
  ];
  for (const rule of compiled.rules) {
    if (!isOf(rule, 'ingress')) continue;
    const reached = subjects[rule.policy.id] as number[];
    if (rule.everyone) always.push(reached);
    for (const selection of rule.selections) bySelection[selection]?.push(reached);
    for (const workload of new Set(addressedBy(evaluation, rule).flat())) {
      const lists = byWorkload.get(workload);
      if (lists) lists.push(reached);
      else byWorkload.set(workload, [reached]);
    }
  }
  return (source) => {
    const selections = new Set(views.ofWorkload(source).flatMap(({ selectedBy }) => [...selectedBy]));
    return [
      ...always,
      ...[...selections].flatMap((selection) => bySelection[selection] ?? []),
      ...(byWorkload.get(source) ?? []),
    ];
  };
}

function isOf(rule: CompiledRule, direction: Direction): boolean {
  return rule.policy[direction]?.includes(rule) ?? false;
}

/** Whether some pod of a workload accepts everything. */
function isOpen({ views }: Evaluation, workload: number): boolean {
  return views.ofWorkload(workload).some(({ isolatedBy }) => isolatedBy.ingress.length === 0);
}
