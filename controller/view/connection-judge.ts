import { connectionId } from '../model/connection.ts';
import type { Endpoint } from '../model/endpoint.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { Direction } from '../policy/evaluate/compile-policies.ts';
import type { Verdict } from '../policy/evaluate/decide.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import type { ConnectionState } from './graph-shape.ts';
import { PolicyBody } from './policy-body.ts';

/** What decides on connections at a moment. */
export interface JudgeTerms {
  readonly world: ProofWorld;
  /** All policies that are stored. */
  readonly inForce: readonly NetworkPolicy[];
  /** All that would be stored if every proposal that waits were approved. */
  readonly proposed: readonly NetworkPolicy[];
  /** Workloads of proposals that wait. */
  readonly waiting: ReadonlySet<WorkloadKey>;
  /** Why a connection is held back, by its id, for each workload that has such. */
  readonly heldBack: ReadonlyMap<WorkloadKey, ReadonlyMap<string, string>>;
}

/** A connection as far as its state depends on it. */
export interface JudgedConnection {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
  readonly directed: boolean;
  readonly passed: boolean;
}

/** A state, and why in one sentence. */
export interface JudgedState {
  readonly state: ConnectionState;
  readonly because: string;
}

/** Says in which state connections are. */
export class ConnectionJudge {
  readonly #terms: JudgeTerms;
  readonly #inForce: PolicyBody;
  readonly #proposed: PolicyBody;

  constructor(terms: JudgeTerms) {
    this.#terms = terms;
    this.#inForce = new PolicyBody(terms.inForce, terms.world);
    this.#proposed = new PolicyBody(terms.proposed, terms.world);
  }

  /** What the policies in force say to one side of a connection; undefined: no policy has a say in it. */
  sideInForce(direction: Direction, connection: JudgedConnection): Verdict | undefined {
    return this.#inForce.side(direction, connection);
  }

  judge(connection: JudgedConnection): JudgedState {
    const { directed, passed } = connection;
    if (!directed)
      return { state: 'seen', because: 'nobody could tell who opened it, so that no policy is made from it' };
    if (!passed) return { state: 'denied', because: 'it was tried, and never passed' };
    const now = this.#inForce.verdict(connection);
    if (now === 'denied') return { state: 'denied', because: 'it passed, and the policies in force deny it now' };
    const held = this.#heldBack(connection);
    if (held !== undefined) return { state: 'held-back', because: held };
    if (this.#waits(connection) && this.#proposed.verdict(connection) === 'denied') {
      return { state: 'would-be-denied', because: 'it passes, and a proposal that waits would deny it' };
    }
    switch (now) {
      case 'allowed':
        return { state: 'enforced', because: 'the policies in force allow it' };
      case 'unknown':
        return { state: 'seen', because: 'policies in force concern it, and nobody can tell whether they allow it' };
      case undefined:
        return { state: 'seen', because: 'it passes, and no policy in force concerns it' };
    }
  }

  #waits({ source, destination }: JudgedConnection): boolean {
    return [source, destination].some((end) => end.kind === 'workload' && this.#terms.waiting.has(end.workload));
  }

  #heldBack({ source, destination, protocol, port }: JudgedConnection): string | undefined {
    const { heldBack } = this.#terms;
    for (const end of [source, destination]) {
      const of = end.kind === 'workload' ? heldBack.get(end.workload) : undefined;
      const because = of?.get(connectionId(source, destination, protocol, port, true));
      if (because !== undefined) return because;
    }
    return undefined;
  }
}
