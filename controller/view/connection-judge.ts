import { connectionId } from '../model/connection.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { type PolicyProtocol, policyProtocolOf } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { type CompiledPolicies, compilePolicies, type Direction } from '../policy/evaluate/compile-policies.ts';
import type { Verdict } from '../policy/evaluate/decide.ts';
import { type Evaluation, evaluation } from '../policy/evaluate/evaluation.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import { subjectVerdict } from '../policy/subject-verdict.ts';
import type { ConnectionState } from './graph-shape.ts';

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

/** An evaluation remembers every address that it was asked about; after so many questions another takes its place. */
const questionLimit = 50_000;

/** Policies that hold together. */
class PolicyBody {
  readonly #world: ProofWorld;
  readonly #compiled: CompiledPolicies;
  readonly #isolated: Readonly<Record<Direction, Map<WorkloadKey, boolean>>> = {
    ingress: new Map(),
    egress: new Map(),
  };
  #evaluation: Evaluation;
  #questions = 0;

  constructor(policies: readonly NetworkPolicy[], world: ProofWorld) {
    this.#world = world;
    this.#compiled = compilePolicies(world.index, policies);
    this.#evaluation = evaluation(world.index, this.#compiled, world.cni);
  }

  /** Undefined: no policy has a say in it. */
  verdict({ source, destination, protocol: number, port }: JudgedConnection): Verdict | undefined {
    const protocol = policyProtocolOf(number);
    if (protocol === undefined || port === 0) return undefined;
    const sides = [
      this.#side('egress', source, destination, protocol, port),
      this.#side('ingress', destination, source, protocol, port),
    ];
    return (['denied', 'unknown', 'allowed'] as const).find((verdict) => sides.includes(verdict));
  }

  #side(
    direction: Direction,
    own: Endpoint,
    other: Endpoint,
    protocol: PolicyProtocol,
    port: number,
  ): Verdict | undefined {
    if (own.kind !== 'workload' || !this.#isIsolated(direction, own.workload)) return undefined;
    if (!isParty(other)) return 'unknown';
    if (++this.#questions > questionLimit) {
      this.#questions = 0;
      this.#evaluation = evaluation(this.#world.index, this.#compiled, this.#world.cni);
    }
    return subjectVerdict([this.#evaluation], { subject: own.workload, direction, other, protocol, port }, this.#world);
  }

  #isIsolated(direction: Direction, workload: WorkloadKey): boolean {
    const known = this.#isolated[direction].get(workload);
    if (known !== undefined) return known;
    const isolated =
      this.#world.index.position.has(workload) &&
      this.#evaluation.views
        .of({ kind: 'workload', workload })
        .some(({ isolatedBy }) => isolatedBy[direction].length > 0);
    this.#isolated[direction].set(workload, isolated);
    return isolated;
  }
}

/** Whether policies can mean it: a Service that stands for no one workload they cannot, unless it is the API server. */
function isParty(endpoint: Endpoint): boolean {
  return endpoint.kind !== 'unknown' && (endpoint.kind !== 'service' || isApiServer(endpoint));
}
