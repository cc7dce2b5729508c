import { formatIp, hasAddress, type IpAddress } from '../../model/cidr.ts';
import type { WorkloadKey } from '../../model/workload.ts';
import {
  type ClusterIndex,
  classOfPod,
  distinctPlaces,
  isLive,
  type NamedPorts,
  type Place,
  type PodClass,
} from './cluster-index.ts';
import type { CompiledPolicies, CompiledPolicy, Direction } from './compile-policies.ts';

/**
 * One side of a question: a workload, an address, or a node (`name` empty: some node). With an `address`, only the pod of
 * the workload that has it, or the node by that address and no other of its own.
 */
export type Party =
  | { readonly kind: 'workload'; readonly workload: WorkloadKey; readonly address?: IpAddress }
  | { readonly kind: 'address'; readonly ip: IpAddress }
  | { readonly kind: 'node'; readonly name: string; readonly address?: IpAddress };

/** What a set of policies can tell apart of one party; all that is behind one view is treated alike. */
export interface View {
  /**
   * `pods`: on the pod network; `hosts`: nodes and hostNetwork pods; `outside`: an address that is no pod's;
   * `stray`: an address of the pod network whose pod is not known.
   */
  readonly kind: 'pods' | 'hosts' | 'outside' | 'stray';
  readonly isolatedBy: Readonly<Record<Direction, readonly CompiledPolicy[]>>;
  readonly selectedBy: ReadonlySet<number>;
  readonly namedPorts: NamedPorts;
  /** An entry without an address: it may have any address of its network. */
  readonly places: readonly Place[];
  /** Of hosts: the places at which they answer, which are not all that they send from. */
  readonly answering?: readonly Place[];
}

/** Where the peer of a direction is met: hosts are called on fewer addresses than they call from. */
export function placesAsPeer(direction: Direction, { places, answering }: View): readonly Place[] {
  return direction === 'egress' ? (answering ?? places) : places;
}

const nobody: ReadonlySet<number> = new Set();
const noNamedPorts: NamedPorts = new Map();
const free: View['isolatedBy'] = { ingress: [], egress: [] };

export function addressView(ip: IpAddress, kind: 'outside' | 'stray' = 'outside'): View {
  return {
    kind,
    isolatedBy: free,
    selectedBy: nobody,
    namedPorts: noNamedPorts,
    places: [{ node: undefined, address: ip }],
  };
}

function hostsView(places: readonly Place[], answering: readonly Place[]): View {
  return { kind: 'hosts', isolatedBy: free, selectedBy: nobody, namedPorts: noNamedPorts, places, answering };
}

/** Views of parties under one set of policies, made when they are asked for. */
export class Views {
  readonly #index: ClusterIndex;
  readonly #compiled: CompiledPolicies;
  readonly #ofWorkload: (readonly View[] | undefined)[] = [];

  constructor(index: ClusterIndex, compiled: CompiledPolicies) {
    this.#index = index;
    this.#compiled = compiled;
  }

  of(party: Party): readonly View[] {
    switch (party.kind) {
      case 'workload': {
        const position = this.#index.position.get(party.workload);
        if (position === undefined) throw new RangeError(`no workload ${party.workload} in this cluster`);
        return party.address ? this.#ofPod(position, party.address) : this.ofWorkload(position);
      }
      case 'address': {
        const { pods } = this.#index.cluster.cidrs;
        return [addressView(party.ip, hasAddress(pods, party.ip) ? 'stray' : 'outside')];
      }
      case 'node':
        if (party.address) {
          const asked = [{ node: party.name, address: party.address }];
          return [hostsView(asked, asked)];
        }
        return [this.#hosts(this.#nodePlaces(party.name))];
    }
  }

  /** Pod classes of a workload that these policies treat alike make one view. */
  ofWorkload(position: number): readonly View[] {
    let views = this.#ofWorkload[position];
    if (!views) this.#ofWorkload[position] = views = this.#make(this.#index.classesOf[position] ?? []);
    return views;
  }

  /** The pods that have the address now; what the template would make of them is another question. */
  #ofPod(position: number, address: IpAddress): readonly View[] {
    const { cluster, keys } = this.#index;
    const text = formatIp(address);
    const pods = cluster.pods.filter(
      (pod) => pod.workload === keys[position] && isLive(pod) && !pod.hostNetwork && pod.ips.includes(text),
    );
    return pods.flatMap((pod) => {
      const podClass = classOfPod(this.#index, pod);
      return podClass ? [this.#view([{ ...podClass, places: [{ node: pod.node, address }] }])] : [];
    });
  }

  #make(classes: readonly PodClass[]): View[] {
    if (classes.length === 1) return [this.#view(classes)];
    const alike = new Map<string, PodClass[]>();
    const numbers = new Map<NamedPorts, number>();
    for (const each of classes) {
      if (!numbers.has(each.namedPorts)) numbers.set(each.namedPorts, numbers.size);
      const selected = this.#compiled.selectedBy.get(each.id)?.join(' ');
      const isolated = (['ingress', 'egress'] as const).map((direction) =>
        (this.#compiled.isolating[direction].get(each.id) ?? []).map(({ id }) => id),
      );
      const signature = each.hostNetwork
        ? 'hosts'
        : `${numbers.get(each.namedPorts)}|${selected}|${isolated[0]?.join(' ')}|${isolated[1]?.join(' ')}`;
      const group = alike.get(signature);
      if (group) group.push(each);
      else alike.set(signature, [each]);
    }
    return [...alike.values()].map((group) => this.#view(group));
  }

  #view(group: readonly PodClass[]): View {
    const [first] = group as [PodClass, ...PodClass[]];
    const places = group.every((each) => each.places === first.places)
      ? first.places
      : distinctPlaces(group.flatMap((each) => each.places));
    if (first.hostNetwork) return this.#hosts(places);
    const { isolating, selectedBy } = this.#compiled;
    return {
      kind: 'pods',
      isolatedBy: { ingress: isolating.ingress.get(first.id) ?? [], egress: isolating.egress.get(first.id) ?? [] },
      selectedBy: new Set(selectedBy.get(first.id)),
      namedPorts: first.namedPorts,
      places,
    };
  }

  /** A host of which only addresses in the pod network are known answers on one that is not known. */
  #hosts(places: readonly Place[]): View {
    const { sendingOnly } = this.#index;
    const answers = ({ address }: Place) => address === undefined || !hasAddress(sendingOnly, address);
    const answering = places.filter(answers);
    if (answering.length === places.length) return hostsView(places, places);
    const known = new Set(answering.map(({ node }) => node));
    const others = places.filter(({ node }) => !known.has(node)).map(({ node }) => ({ node, address: undefined }));
    return hostsView(places, distinctPlaces([...answering, ...others]));
  }

  #nodePlaces(name: string): Place[] {
    const known = this.#index.nodeAddresses;
    const names = name === '' ? [...known.keys()] : [name];
    const places = names.flatMap((node) => (known.get(node) ?? []).map((address) => ({ node, address })));
    return places.length > 0 ? places : [{ node: name === '' ? undefined : name, address: undefined }];
  }
}
