import {
  type ConnectionSet,
  intersectConnections,
  isEmptyConnections,
  noConnections,
  subtractConnections,
  unionConnections,
} from '../../model/connection-set.ts';
import { type AddressAtom, addressAtoms } from './address-atoms.ts';
import { type Connectivity, connectivity, type Side } from './connectivity.ts';
import type { Answer, Evaluation } from './evaluation.ts';

/** How one pair differs; a part that is unknown on either side and not the same on both is `uncertain`. */
export interface PairDifference {
  readonly source: Side;
  readonly destination: Side;
  /** Surely denied before, surely allowed after. */
  readonly gained: ConnectionSet;
  /** Surely allowed before, surely denied after. */
  readonly lost: ConnectionSet;
  readonly uncertain: ConnectionSet;
}

/**
 * The pairs that differ between two states, ascending by the texts of source and destination. The clusters may differ
 * too: a workload that exists on one side only gains or loses all its pairs.
 */
export function* difference(before: Evaluation, after: Evaluation): Generator<PairDifference> {
  const cut = before.compiled.addressSets.length;
  const atoms = addressAtoms([...before.compiled.addressSets, ...after.compiled.addressSets]);
  const old = connectivity(
    before,
    withSets(atoms, (set) => (set < cut ? set : undefined)),
  );
  const recent = connectivity(
    after,
    withSets(atoms, (set) => (set < cut ? undefined : set - cut)),
  );
  let left = old.next();
  let right = recent.next();
  while (!left.done || !right.done) {
    const order = left.done ? 1 : right.done ? -1 : compare(left.value, right.value);
    const found = pairDifference(
      order <= 0 ? (left.value as Connectivity) : undefined,
      order >= 0 ? (right.value as Connectivity) : undefined,
    );
    if (found) yield found;
    if (order <= 0) left = old.next();
    if (order >= 0) right = recent.next();
  }
}

function withSets(atoms: readonly AddressAtom[], own: (set: number) => number | undefined): AddressAtom[] {
  return atoms.map((atom) => ({ ...atom, sets: atom.sets.map(own).filter((set) => set !== undefined) }));
}

function compare(a: Connectivity, b: Connectivity): number {
  return compareTexts(a.source.text, b.source.text) || compareTexts(a.destination.text, b.destination.text);
}

function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const denied: Answer = { allowed: noConnections, unknown: noConnections };

function pairDifference(before: Connectivity | undefined, after: Connectivity | undefined): PairDifference | undefined {
  const pair = before ?? after;
  const was = before ?? denied;
  const is = after ?? denied;
  if (!pair || (was.allowed === is.allowed && was.unknown === is.unknown)) return undefined;
  const gained = subtractConnections(is.allowed, unionConnections(was.allowed, was.unknown));
  const lost = subtractConnections(was.allowed, unionConnections(is.allowed, is.unknown));
  const uncertain = subtractConnections(
    unionConnections(was.unknown, is.unknown),
    intersectConnections(was.unknown, is.unknown),
  );
  if ([gained, lost, uncertain].every(isEmptyConnections)) return undefined;
  return { source: pair.source, destination: pair.destination, gained, lost, uncertain };
}
