import {
  allConnections,
  type ConnectionSet,
  intersectConnections,
  isEmptyConnections,
  noConnections,
  subtractConnections,
  unionConnections,
} from '../../model/connection-set.ts';
import { formatPorts } from '../../model/port-set.ts';

/** What is allowed in three-valued logic: `certain` is a part of `possible`; the rest of `possible` is unknown. */
export interface Permit {
  readonly id: number;
  readonly certain: ConnectionSet;
  readonly possible: ConnectionSet;
}

/**
 * Keeps every permit once, so that equal permits are the same object and an operation on two of them is computed once.
 * Clusters have few distinct sets of ports, pairs are many.
 */
export class PermitPool {
  readonly #byText = new Map<string, Permit>();
  readonly #results = {
    union: new Map<number, Permit>(),
    both: new Map<number, Permit>(),
    any: new Map<number, Permit>(),
  };
  readonly #unknown = new Map<Permit, ConnectionSet>();
  readonly nothing = this.permit(noConnections, noConnections);
  readonly everything = this.permit(allConnections, allConnections);
  /** It depends on something that is not known. */
  readonly perhaps = this.permit(noConnections, allConnections);

  permit(certain: ConnectionSet, possible: ConnectionSet): Permit {
    const text = `${textOf(certain)} ${textOf(possible)}`;
    let permit = this.#byText.get(text);
    if (!permit) this.#byText.set(text, (permit = { id: this.#byText.size, certain, possible }));
    return permit;
  }

  /** What either of two rules allows. */
  union(a: Permit, b: Permit): Permit {
    if (a === b || b === this.nothing) return a;
    if (a === this.nothing) return b;
    return this.#cached(this.#results.union, a, b, () =>
      this.permit(unionConnections(a.certain, b.certain), unionConnections(a.possible, b.possible)),
    );
  }

  /** What both sides of a connection allow. */
  intersection(a: Permit, b: Permit): Permit {
    if (a === b || b === this.everything) return a;
    if (a === this.everything) return b;
    return this.#cached(this.#results.both, a, b, () =>
      this.permit(intersectConnections(a.certain, b.certain), intersectConnections(a.possible, b.possible)),
    );
  }

  /** One of two cases holds and we do not say which: certain is what both allow, possible what any of them does. */
  either(a: Permit, b: Permit): Permit {
    if (a === b) return a;
    return this.#cached(this.#results.any, a, b, () =>
      this.permit(intersectConnections(a.certain, b.certain), unionConnections(a.possible, b.possible)),
    );
  }

  /** The same with nothing certain any more. */
  doubted(a: Permit): Permit {
    return this.permit(noConnections, a.possible);
  }

  unknownOf(permit: Permit): ConnectionSet {
    let unknown = this.#unknown.get(permit);
    if (!unknown) {
      unknown = subtractConnections(permit.possible, permit.certain);
      this.#unknown.set(permit, isEmptyConnections(unknown) ? noConnections : unknown);
    }
    return unknown;
  }

  #cached(results: Map<number, Permit>, a: Permit, b: Permit, compute: () => Permit): Permit {
    const key = a.id < b.id ? a.id * idLimit + b.id : b.id * idLimit + a.id;
    let result = results.get(key);
    if (!result) results.set(key, (result = compute()));
    return result;
  }
}

/** Two ids below it make one exact number as a map key. */
const idLimit = 2 ** 26;

function textOf({ TCP, UDP, SCTP }: ConnectionSet): string {
  return `${formatPorts(TCP)}/${formatPorts(UDP)}/${formatPorts(SCTP)}`;
}
