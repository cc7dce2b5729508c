import { type CidrSet, formatAddresses } from '../../model/cidr.ts';
import type { WorkloadKey } from '../../model/workload.ts';
import { type AddressAtom, addressAtoms } from './address-atoms.ts';
import { candidatePairs } from './candidate-pairs.ts';
import type { Direction } from './compile-policies.ts';
import { type Answer, answerOf, type Evaluation, permitBetween, sidePermit } from './evaluation.ts';
import type { Permit } from './permit-pool.ts';
import { addressView, type View } from './views.ts';

/** A workload, or external addresses that all policies treat alike; `text` names it and sorts it. */
export type Side =
  | { readonly kind: 'workload'; readonly workload: WorkloadKey; readonly text: string }
  | {
      readonly kind: 'addresses';
      readonly addresses: CidrSet;
      readonly cidrs: readonly string[];
      readonly text: string;
    };

export interface Connectivity extends Answer {
  readonly source: Side;
  readonly destination: Side;
}

/** The external addresses that these policies tell apart, IPv4 and IPv6, the whole address space. */
function externalAtoms({ compiled }: Evaluation): AddressAtom[] {
  return addressAtoms(compiled.addressSets);
}

/**
 * Every ordered pair of workloads, or of a workload and external addresses, that may talk at all, ascending by the
 * texts of source and destination. Pairs that nothing allows cost nothing: candidates come from what the policies of
 * one side match, and only they are judged. `atoms` may be finer than what these policies tell apart.
 */
export function* connectivity(
  evaluation: Evaluation,
  atoms: readonly AddressAtom[] = externalAtoms(evaluation),
): Generator<Connectivity> {
  const { index, views, pool } = evaluation;
  const sides = sortedSides(index.keys, atoms);
  const rank = ranks(sides, index.keys.length);
  const external = {
    ingress: externalPairs(evaluation, 'ingress', atoms),
    egress: externalPairs(evaluation, 'egress', atoms),
  };
  const fromAtom = transposed(external.ingress, atoms.length);
  const destinationsOf = candidatePairs(evaluation);

  for (const { side: source, workload, atom } of sides) {
    const found: { rank: number; permit: Permit }[] = [];
    if (workload !== undefined) {
      const sources = views.ofWorkload(workload);
      for (const destination of destinationsOf(workload)) {
        const permit = permitBetween(evaluation, sources, views.ofWorkload(destination));
        if (permit !== pool.nothing) found.push({ rank: rank.ofWorkload[destination] as number, permit });
      }
      for (const { other, permit } of external.egress[workload] ?? []) {
        found.push({ rank: rank.ofAtom[other] as number, permit });
      }
    } else {
      for (const { other, permit } of fromAtom[atom] ?? []) {
        found.push({ rank: rank.ofWorkload[other] as number, permit });
      }
    }
    found.sort((a, b) => a.rank - b.rank);
    for (const { rank: position, permit } of found) {
      yield { source, destination: (sides[position] as RankedSide).side, ...answerOf(evaluation, permit) };
    }
  }
}

type RankedSide = { readonly side: Side } & (
  | { readonly workload: number; readonly atom?: undefined }
  | { readonly workload?: undefined; readonly atom: number }
);

function sortedSides(keys: readonly WorkloadKey[], atoms: readonly AddressAtom[]): RankedSide[] {
  const sides: RankedSide[] = keys.map((key, workload) => ({
    side: { kind: 'workload', workload: key, text: key },
    workload,
  }));
  for (const [atom, { addresses }] of atoms.entries()) {
    const cidrs = formatAddresses(addresses);
    sides.push({ side: { kind: 'addresses', addresses, cidrs, text: cidrs.join(',') }, atom });
  }
  return sides.sort((a, b) => (a.side.text < b.side.text ? -1 : a.side.text > b.side.text ? 1 : 0));
}

function ranks(sides: readonly RankedSide[], workloads: number): { ofWorkload: Int32Array; ofAtom: Int32Array } {
  const ofWorkload = new Int32Array(workloads);
  const ofAtom = new Int32Array(sides.length - workloads);
  for (const [rank, { workload, atom }] of sides.entries()) {
    if (workload === undefined) ofAtom[atom] = rank;
    else ofWorkload[workload] = rank;
  }
  return { ofWorkload, ofAtom };
}

interface Reached {
  readonly other: number;
  readonly permit: Permit;
}

/** For each workload, the atoms that its policies of one direction let through. */
function externalPairs(evaluation: Evaluation, direction: Direction, atoms: readonly AddressAtom[]): Reached[][] {
  const { index, views, pool, compiled } = evaluation;
  const samples = atoms.map(({ sample }) => addressView(sample));
  const atomsIn: number[][] = compiled.addressSets.map(() => []);
  for (const [atom, { sets }] of atoms.entries()) for (const set of sets) atomsIn[set]?.push(atom);
  const all = atoms.map((_, atom) => atom);

  return index.keys.map((_, workload) => {
    const subjects = views.ofWorkload(workload);
    const judge = (peer: View) =>
      subjects.map((subject) => sidePermit(evaluation, direction, subject, peer)).reduce((a, b) => pool.either(a, b));
    const rules = subjects.flatMap(({ isolatedBy }) =>
      isolatedBy[direction].flatMap((policy) => policy[direction] ?? []),
    );
    const elsewhere = judge(inNoSet);
    const inSets = new Set(
      rules.flatMap(({ addressSet }) => (addressSet === undefined ? [] : (atomsIn[addressSet] ?? []))),
    );
    const reached: Reached[] = [];
    for (const atom of elsewhere === pool.nothing ? inSets : all) {
      const permit = inSets.has(atom) ? judge(samples[atom] as View) : elsewhere;
      if (permit !== pool.nothing) reached.push({ other: atom, permit });
    }
    return reached;
  });
}

/** Stands for every address that no ipBlock names. */
const inNoSet: View = { ...addressView({ family: 4, value: 0n }), places: [] };

function transposed(reached: readonly (readonly Reached[])[], atoms: number): Reached[][] {
  const byAtom: Reached[][] = Array.from({ length: atoms }, () => []);
  for (const [workload, list] of reached.entries()) {
    for (const { other, permit } of list) byAtom[other]?.push({ other: workload, permit });
  }
  return byAtom;
}
