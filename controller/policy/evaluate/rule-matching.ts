import {
  allAddresses,
  type CidrSet,
  containsAddresses,
  hasAddress,
  intersectAddresses,
  isEmptyAddresses,
} from '../../model/cidr.ts';
import { type ConnectionSet, connectionSet, noConnections, unionConnections } from '../../model/connection-set.ts';
import type { PolicyPort } from '../../model/network-policy.ts';
import { allPorts, isPort, noPorts, portSetOf } from '../../model/port-set.ts';
import { policyProtocols } from '../../model/protocol.ts';
import type { CniFact, CniProfile, Fact } from '../cni-profiles.ts';
import { addressAtoms } from './address-atoms.ts';
import type { ClusterIndex, NamedPorts, Place } from './cluster-index.ts';
import type { CompiledPolicies, CompiledRule, Direction } from './compile-policies.ts';
import type { Permit, PermitPool } from './permit-pool.ts';
import { placesAsPeer, type View } from './views.ts';

/** How the peers of a rule meet a view: all of it, none, only some of its addresses, or nobody can say. */
export type Meeting = Coverage | 'unknown';
type Coverage = 'all' | 'part' | 'none';

/** The rules of one set of policies under one CNI: whom they mean, and which ports they open. */
export class RuleMatching {
  readonly #index: ClusterIndex;
  readonly #compiled: CompiledPolicies;
  readonly #cni: CniProfile;
  readonly #pool: PermitPool;
  readonly #numeric: (Permit | undefined)[] = [];
  readonly #named = new Map<NamedPorts, (Permit | undefined)[]>();
  /** The same places mean other addresses on another network. */
  readonly #coverages = new Map<CidrSet, Map<readonly Place[], Map<number, Coverage>>>();

  constructor(index: ClusterIndex, compiled: CompiledPolicies, cni: CniProfile, pool: PermitPool) {
    this.#index = index;
    this.#compiled = compiled;
    this.#cni = cni;
    this.#pool = pool;
  }

  meet(rule: CompiledRule, direction: Direction, peer: View): Meeting {
    if (rule.everyone) return 'all';
    switch (peer.kind) {
      case 'outside':
        return this.#coverageOf(rule, direction, peer);
      case 'pods':
        for (const selection of rule.selections) if (peer.selectedBy.has(selection)) return 'all';
        return this.#byAddress(rule, direction, peer, this.#cni.ipBlockMatchesPods);
      case 'hosts':
        return this.#byAddress(rule, direction, peer, this.#cni.ipBlockMatchesNodes);
      case 'stray': {
        const meeting = this.#byAddress(rule, direction, peer, this.#cni.ipBlockMatchesPods);
        return meeting === 'none' && rule.selections.length > 0 ? 'unknown' : meeting;
      }
    }
  }

  /** The fact that made a meeting unknown. */
  factBehind(peer: View): CniFact {
    return peer.kind === 'hosts' ? 'ipBlockMatchesNodes' : 'ipBlockMatchesPods';
  }

  #byAddress(rule: CompiledRule, direction: Direction, peer: View, fact: Fact): Meeting {
    if (rule.addressSet === undefined || fact === 'no') return 'none';
    const coverage = this.#coverageOf(rule, direction, peer);
    return coverage !== 'none' && fact === 'unknown' ? 'unknown' : coverage;
  }

  #coverageOf({ addressSet }: CompiledRule, direction: Direction, peer: View): Coverage {
    if (addressSet === undefined) return 'none';
    const network = this.#networkOf(direction, peer);
    const places = placesAsPeer(direction, peer);
    let coverages = this.#coverages.get(network);
    if (!coverages) this.#coverages.set(network, (coverages = new Map()));
    let known = coverages.get(places);
    if (!known) coverages.set(places, (known = new Map()));
    let coverage = known.get(addressSet);
    if (!coverage) known.set(addressSet, (coverage = this.#cover(addressSet, network, places)));
    return coverage;
  }

  #cover(addressSet: number, network: CidrSet, places: readonly Place[]): Coverage {
    const set = this.#compiled.addressSets[addressSet] ?? allAddresses;
    let some = false;
    let every = true;
    for (const { address } of places) {
      if (address !== undefined) {
        if (hasAddress(set, address)) some = true;
        else every = false;
        continue;
      }
      if (!isEmptyAddresses(intersectAddresses(set, network))) some = true;
      if (!containsAddresses(set, network)) every = false;
    }
    return !some ? 'none' : every ? 'all' : 'part';
  }

  #networkOf(direction: Direction, { kind }: View): CidrSet {
    const { podNetwork, nodeNetwork, answeringNetwork } = this.#index;
    if (kind !== 'hosts') return podNetwork;
    return direction === 'egress' ? answeringNetwork : nodeNetwork;
  }

  /**
   * What rules that meet only a part of a view allow: each address is a case of its own, and a case may be covered by
   * several rules together, and by what `besides` allows to it.
   */
  inParts(
    rules: readonly CompiledRule[],
    direction: Direction,
    peer: View,
    destination: View,
    besides: (place: Place) => Permit,
  ): Permit {
    const sets = rules.map(({ addressSet }) => this.#compiled.addressSets[addressSet as number] ?? allAddresses);
    const cases = new Map<string, Permit>();
    const add = (covering: readonly number[], place: Place) => {
      const start = besides(place);
      const key = `${start.id} ${covering.join(' ')}`;
      if (cases.has(key)) return;
      const permits = covering.map((position) => this.permitOf(rules[position] as CompiledRule, destination));
      cases.set(
        key,
        permits.reduce((a, b) => this.#pool.union(a, b), start),
      );
    };
    for (const place of placesAsPeer(direction, peer)) {
      const { address } = place;
      if (address === undefined) {
        for (const atom of addressAtoms(sets, this.#networkOf(direction, peer))) add(atom.sets, place);
      } else {
        const covering = sets.flatMap((set, position) => (hasAddress(set, address) ? [position] : []));
        add(covering, place);
      }
    }
    return [...cases.values()].reduce((a, b) => this.#pool.either(a, b));
  }

  /** The ports of a rule, on a destination that may give names to some of them. */
  permitOf(rule: CompiledRule, destination: View): Permit {
    let permits = this.#numeric;
    if (destination.kind === 'pods' && rule.ports?.some(({ port }) => typeof port === 'string')) {
      const known = this.#named.get(destination.namedPorts);
      if (known) permits = known;
      else this.#named.set(destination.namedPorts, (permits = []));
    }
    return (permits[rule.id] ??= this.#openPorts(rule, destination.namedPorts));
  }

  #openPorts({ ports }: CompiledRule, names: NamedPorts): Permit {
    if (ports === undefined) return this.#pool.everything;
    const open = ports.map((port) => this.#openPort(port, names));
    return open.reduce((a, b) => this.#pool.union(a, b), this.#pool.nothing);
  }

  #openPort({ protocol = 'TCP', port, endPort }: PolicyPort, names: NamedPorts): Permit {
    if (!policyProtocols.includes(protocol)) return this.#pool.nothing;
    const doubted = protocol === 'SCTP' && this.#cni.sctp !== 'yes';
    const permit = (certain: ConnectionSet, possible: ConnectionSet) =>
      this.#pool.permit(doubted ? noConnections : certain, possible);
    if (typeof port === 'string') {
      const numbers = (endPort === undefined && names.get(`${protocol}/${port}`)) || [];
      const open = connectionSet({ [protocol]: numbers.length === 0 ? noPorts : portSetOf(...numbers) });
      switch (this.#cni.namedPorts) {
        case 'no':
          return this.#pool.nothing;
        case 'yes':
          return permit(numbers.length === 1 ? open : noConnections, open);
        case 'unknown':
          return permit(noConnections, open);
      }
    }
    if (port === undefined) {
      const open = connectionSet({ [protocol]: endPort === undefined ? allPorts : noPorts });
      return permit(open, open);
    }
    if (!isPort(port) || (endPort !== undefined && (!isPort(endPort) || endPort < port))) return this.#pool.nothing;
    const first = connectionSet({ [protocol]: [[port, port]] });
    const range = connectionSet({ [protocol]: [[port, endPort ?? port]] });
    switch (this.#cni.endPort) {
      case 'no':
        return permit(first, first);
      case 'yes':
        return permit(range, range);
      case 'unknown':
        return permit(first, unionConnections(first, range));
    }
  }
}
