import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import { policyProtocolOf } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { type CompiledPolicies, compilePolicies, type Direction } from '../policy/evaluate/compile-policies.ts';
import type { Verdict } from '../policy/evaluate/decide.ts';
import { type Evaluation, evaluation } from '../policy/evaluate/evaluation.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import { subjectVerdict } from '../policy/subject-verdict.ts';

/** The two sides of a connection and what it goes to; the protocol is an IANA number. */
interface Asked {
  readonly source: Endpoint;
  readonly destination: Endpoint;
  readonly protocol: number;
  readonly port: number;
}

/** An evaluation remembers every address that it was asked about; after so many questions another takes its place. */
const questionLimit = 50_000;

/** Policies that hold together, and what they say to connections. */
export class PolicyBody {
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

  /** What both sides come to. Undefined: no policy has a say in it. */
  verdict(asked: Asked): Verdict | undefined {
    return strictest([this.side('egress', asked), this.side('ingress', asked)]);
  }

  /** `ingress`: the side of the destination. Undefined: no policy has a say in it. */
  side(direction: Direction, { source, destination, protocol: number, port }: Asked): Verdict | undefined {
    const [own, other] = direction === 'ingress' ? [destination, source] : [source, destination];
    const protocol = policyProtocolOf(number);
    if (protocol === undefined || port === 0) return undefined;
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

/** Of the sides of a connection the one that is least sure to let it pass. */
export function strictest(sides: readonly (Verdict | undefined)[]): Verdict | undefined {
  return (['denied', 'unknown', 'allowed'] as const).find((verdict) => sides.includes(verdict));
}
