import {
  type CidrSet,
  cidrContains,
  cidrSet,
  isEmptyAddresses,
  noAddresses,
  parseCidr,
  subtractAddresses,
  unionAddresses,
} from '../../model/cidr.ts';
import {
  isolatedDirections,
  type IpBlock,
  type NetworkPolicy,
  type PolicyPeer,
  type PolicyPort,
} from '../../model/network-policy.ts';
import type { ClusterIndex } from './cluster-index.ts';

export type Direction = 'ingress' | 'egress';

export interface CompiledRule {
  readonly id: number;
  readonly policy: CompiledPolicy;
  /** Position in its policy, from 1. */
  readonly number: number;
  /** No peers are listed: everybody is meant, inside and outside of the cluster. */
  readonly everyone: boolean;
  /** Positions in `CompiledPolicies.selections`. */
  readonly selections: readonly number[];
  /** Its ipBlocks as they are written, the valid ones. */
  readonly blocks: readonly IpBlock[];
  /** Position in `CompiledPolicies.addressSets` of all its ipBlocks together. */
  readonly addressSet: number | undefined;
  /** Undefined: every port of every protocol. */
  readonly ports: readonly PolicyPort[] | undefined;
}

export interface CompiledPolicy {
  /** Position in `CompiledPolicies.policies`. */
  readonly id: number;
  readonly namespace: string;
  readonly name: string;
  /** Ids of the pod classes that it selects, ascending. */
  readonly subjects: readonly number[];
  /** The rules of a direction that it isolates; undefined where it does not isolate. */
  readonly ingress: readonly CompiledRule[] | undefined;
  readonly egress: readonly CompiledRule[] | undefined;
}

/** Policies as sets of pod classes and addresses; only as large as what the policies match. */
export interface CompiledPolicies {
  readonly policies: readonly CompiledPolicy[];
  readonly rules: readonly CompiledRule[];
  /** Ids of pod classes, ascending; each choice of peers once. */
  readonly selections: readonly (readonly number[])[];
  readonly addressSets: readonly CidrSet[];
  /** The policies that isolate a pod class, by its id. */
  readonly isolating: Readonly<Record<Direction, ReadonlyMap<number, readonly CompiledPolicy[]>>>;
  /** The selections that a pod class is in, by its id. */
  readonly selectedBy: ReadonlyMap<number, readonly number[]>;
}

/**
 * Compiles policies with the semantics of networking.k8s.io/v1: defaulted policyTypes, empty lists of peers or ports as
 * everything. What the API server would refuse (an empty peer, an ipBlock beside selectors, an except outside of its
 * cidr, endPort without a number or below it) matches nothing.
 */
export function compilePolicies(index: ClusterIndex, policies: readonly NetworkPolicy[]): CompiledPolicies {
  const compilation = new Compilation(index);
  const compiled = policies.map((policy, id) => compilation.policy(policy, id));
  const isolating = { ingress: new Map<number, CompiledPolicy[]>(), egress: new Map<number, CompiledPolicy[]>() };
  for (const policy of compiled) {
    for (const direction of ['ingress', 'egress'] as const) {
      if (policy[direction]) for (const id of policy.subjects) pushTo(isolating[direction], id, policy);
    }
  }
  const selectedBy = new Map<number, number[]>();
  for (const [position, ids] of compilation.selections.entries())
    for (const id of ids) pushTo(selectedBy, id, position);
  const { rules, selections, addressSets } = compilation;
  return { policies: compiled, rules, selections, addressSets, isolating, selectedBy };
}

class Compilation {
  readonly rules: CompiledRule[] = [];
  readonly selections: (readonly number[])[] = [];
  readonly addressSets: CidrSet[] = [];
  readonly #index: ClusterIndex;
  readonly #positions = new Map<readonly number[], number>();
  readonly #addressPositions = new Map<string, number>();

  constructor(index: ClusterIndex) {
    this.#index = index;
  }

  policy({ metadata: { namespace, name }, spec }: NetworkPolicy, id: number): CompiledPolicy {
    const directions = isolatedDirections(spec);
    const policy: { -readonly [Key in keyof CompiledPolicy]: CompiledPolicy[Key] } = {
      id,
      namespace,
      name,
      subjects: this.#index.selectPods({ name: namespace }, spec.podSelector ?? {}),
      ingress: undefined,
      egress: undefined,
    };
    if (directions.includes('Ingress')) {
      policy.ingress = (spec.ingress ?? []).map(({ from, ports }, i) => this.#rule(policy, i + 1, from, ports));
    }
    if (directions.includes('Egress')) {
      policy.egress = (spec.egress ?? []).map(({ to, ports }, i) => this.#rule(policy, i + 1, to, ports));
    }
    return policy;
  }

  #rule(
    policy: CompiledPolicy,
    number: number,
    peers: readonly PolicyPeer[] = [],
    ports: readonly PolicyPort[] = [],
  ): CompiledRule {
    const selections = new Set<number>();
    const blocks: IpBlock[] = [];
    let addresses: CidrSet = noAddresses;
    for (const { ipBlock, podSelector, namespaceSelector } of peers) {
      if (ipBlock) {
        const block = podSelector || namespaceSelector ? noAddresses : blockAddresses(ipBlock);
        if (!isEmptyAddresses(block)) blocks.push(ipBlock);
        addresses = unionAddresses(addresses, block);
      } else if (namespaceSelector) {
        selections.add(this.#selection(this.#index.selectPods({ selector: namespaceSelector }, podSelector ?? {})));
      } else if (podSelector) {
        selections.add(this.#selection(this.#index.selectPods({ name: policy.namespace }, podSelector)));
      }
    }
    const rule: CompiledRule = {
      id: this.rules.length,
      policy,
      number,
      everyone: peers.length === 0,
      selections: [...selections],
      blocks,
      addressSet: isEmptyAddresses(addresses) ? undefined : this.#addressSet(addresses),
      ports: ports.length === 0 ? undefined : ports,
    };
    this.rules.push(rule);
    return rule;
  }

  #selection(ids: readonly number[]): number {
    let position = this.#positions.get(ids);
    if (position === undefined) {
      position = this.selections.push(ids) - 1;
      this.#positions.set(ids, position);
    }
    return position;
  }

  #addressSet(addresses: CidrSet): number {
    const key = `${addresses.v4.join(';')} ${addresses.v6.join(';')}`;
    let position = this.#addressPositions.get(key);
    if (position === undefined) {
      position = this.addressSets.push(addresses) - 1;
      this.#addressPositions.set(key, position);
    }
    return position;
  }
}

/** The addresses of an ipBlock; none when any part of it is invalid. */
function blockAddresses({ cidr, except = [] }: IpBlock): CidrSet {
  const block = parseCidr(cidr);
  const holes = except.map(parseCidr).filter((hole) => hole !== undefined);
  const valid = block && holes.length === except.length && holes.every((hole) => cidrContains(block, hole));
  return valid ? subtractAddresses(cidrSet([block]), cidrSet(holes)) : noAddresses;
}

function pushTo<Value>(map: Map<number, Value[]>, key: number, value: Value): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
