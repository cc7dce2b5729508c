import { type AddressRange, allAddresses, type CidrSet, type IpAddress } from '../../model/cidr.ts';

/** A largest set of addresses that no given set cuts through. */
export interface AddressAtom {
  readonly addresses: CidrSet;
  /** Positions of the given sets that contain it, ascending. */
  readonly sets: readonly number[];
  /** One address that stands for all. */
  readonly sample: IpAddress;
}

/** Partitions `universe` by a sweep over the borders of the given sets, for each address family. */
export function addressAtoms(sets: readonly CidrSet[], universe: CidrSet = allAddresses): AddressAtom[] {
  const bySignature = new Map<string, { sets: readonly number[]; v4: AddressRange[]; v6: AddressRange[] }>();
  for (const family of ['v4', 'v6'] as const) {
    for (const { range, sets: inside } of pieces(
      sets.map((set) => set[family]),
      universe[family],
    )) {
      const signature = inside.join(' ');
      let atom = bySignature.get(signature);
      if (!atom) bySignature.set(signature, (atom = { sets: inside, v4: [], v6: [] }));
      const ranges = atom[family];
      const last = ranges.at(-1);
      if (last && last[1] + 1n === range[0]) ranges[ranges.length - 1] = [last[0], range[1]];
      else ranges.push(range);
    }
  }
  return [...bySignature.values()].map(({ sets: inside, v4, v6 }) => ({
    addresses: { v4, v6 },
    sets: inside,
    sample: v4[0] ? { family: 4, value: v4[0][0] } : { family: 6, value: (v6[0] as AddressRange)[0] },
  }));
}

function pieces(
  sets: readonly (readonly AddressRange[])[],
  universe: readonly AddressRange[],
): { range: AddressRange; sets: number[] }[] {
  // The universe takes part as one set more, so that its own borders cut too.
  const all = [...sets, universe];
  const events: { at: bigint; set: number; opens: boolean }[] = [];
  for (const [set, ranges] of all.entries()) {
    for (const [from, to] of ranges) {
      events.push({ at: from, set, opens: true }, { at: to + 1n, set, opens: false });
    }
  }
  events.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0));
  const found: { range: AddressRange; sets: number[] }[] = [];
  const open = new Set<number>();
  for (const [i, { at, set, opens }] of events.entries()) {
    if (opens) open.add(set);
    else open.delete(set);
    const next = events[i + 1];
    if (next === undefined || next.at === at || !open.has(sets.length)) continue;
    found.push({
      range: [at, next.at - 1n],
      sets: [...open].filter((position) => position < sets.length).sort((a, b) => a - b),
    });
  }
  return found;
}
