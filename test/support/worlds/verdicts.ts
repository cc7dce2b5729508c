import type { NetworkPolicy, PolicyType } from '../../../controller/model/network-policy.ts';
import { type PolicyProtocol, policyProtocols } from '../../../controller/model/protocol.ts';
import type { WorkloadKey } from '../../../controller/model/workload.ts';
import type { Deployed, PodLife } from './deploy.ts';
import { type BlockReading, Judge, meetsPort, type Opposite } from './judge.ts';
import type { Party, PlannedConnection } from './plan.ts';
import { partyId, tripleId } from './triple.ts';

const readings: readonly BlockReading[] = ['blocks-match-pods', 'blocks-match-no-pod'];

/** What policies make of a deployed world, measured against what is true of it. */
export class Verdicts {
  readonly #deployed: Deployed;
  readonly #judge: Judge;
  readonly #alive: ReadonlyMap<WorkloadKey, readonly PodLife[]>;

  constructor(deployed: Deployed, policies: readonly NetworkPolicy[]) {
    this.#deployed = deployed;
    this.#judge = new Judge(deployed, policies);
    const present = deployed.lives.filter(({ fate }) => fate !== 'deleted');
    this.#alive = Map.groupBy(present, ({ workload }) => workload.key);
  }

  /**
   * Legitimate connections that some pair of pods could not open, each as a sentence; a connection counts as allowed
   * only when the policies on both sides say so under every reading of ipBlock.
   */
  broken(connections: readonly PlannedConnection[]): string[] {
    return connections.flatMap((one) => {
      const failing = this.#pairs(one).find(([from, to]) => !this.#opens(from, to, one.protocol, one.port));
      return failing ? [`${tripleId(one)}: ${nameOf(failing[0])} to ${nameOf(failing[1])}`] : [];
    });
  }

  /** Whether the policies over either side let that very connection through; a side without policy does. */
  lets(client: PodLife | undefined, server: PodLife | undefined, event: OneConnection): boolean {
    const from: Opposite = client ? { kind: 'pod', life: client } : { kind: 'external', ips: [event.clientIp] };
    const to: Opposite = server ? { kind: 'pod', life: server } : { kind: 'external', ips: [event.serverIp] };
    return this.#opens(from, to, event.protocol, event.port);
  }

  /** Workloads with a pod that no policy isolates in both directions. */
  open(expected: ReadonlySet<WorkloadKey>): string[] {
    const directions: readonly PolicyType[] = ['Ingress', 'Egress'];
    return [...expected].filter((key) =>
      (this.#alive.get(key) ?? []).some((pod) => directions.some((one) => !this.#judge.isolated(pod, one))),
    );
  }

  /** One text for each of the given triples that the isolated side would let through under some reading. */
  allowedOf(triples: readonly Triple[]): string[] {
    return triples.flatMap((one) =>
      this.#pairs(one).some(([from, to]) => this.#someSideOpens(from, to, one.protocol, one.port))
        ? [tripleId(one)]
        : [],
    );
  }

  /**
   * Triples that an isolated workload's own policies allow and nobody ever needed. `ports` are asked for each pair;
   * `strangers` are external addresses to ask besides the parties of the plan.
   */
  overGrants(ports: readonly number[], strangers: readonly string[]): string[] {
    const needed = new Set(this.#deployed.plan.connections.flatMap(widened).map(tripleId));
    const found = this.#granted(ports, strangers, new Set(this.#alive.keys()))
      .map(tripleOf)
      .filter(
        (triple) =>
          !needed.has(tripleId(triple)) &&
          !(triple.source.kind === 'external' && needed.has(tripleId({ ...triple, source: anywhere }))),
      );
    return [...new Set(found.map(tripleId))].sort();
  }

  /** Everything that the policies over the subjects allow, as `Ingress` or `Egress` and the triple. */
  grants(ports: readonly number[], strangers: readonly string[], subjects: ReadonlySet<WorkloadKey>): string[] {
    return this.#granted(ports, strangers, subjects).map(({ direction, self, other, protocol, port }) =>
      grantText(direction, self, other, protocol, port),
    );
  }

  /** The parties that a workload may meet in that direction, with the addresses that a policy could know them by. */
  opposites(subject: WorkloadKey, direction: PolicyType, strangers: readonly string[]) {
    const pod = this.#alive.get(subject)?.[0];
    return this.#parties(strangers).flatMap((other) => {
      const sites = pod === undefined ? [] : this.#opposite(pod, direction, other);
      const addresses = sites.flatMap((site) => (site.kind === 'pod' ? site.life.ips : site.ips));
      return sites.length === 0 ? [] : [{ other, addresses }];
    });
  }

  #granted(ports: readonly number[], strangers: readonly string[], subjects: ReadonlySet<WorkloadKey>): Grant[] {
    const parties = this.#parties(strangers);
    const granted: Grant[] = [];
    for (const self of subjects) {
      const pod = this.#alive.get(self)?.[0];
      if (pod === undefined) continue;
      for (const direction of ['Ingress', 'Egress'] as const) {
        if (!this.#judge.isolated(pod, direction)) continue;
        for (const other of parties) {
          for (const { protocol, port } of this.#opened(pod, direction, other, ports)) {
            granted.push({ direction, self, other, protocol, port });
          }
        }
      }
    }
    return granted;
  }

  /** The sites of a party as seen from a pod: not the pod itself, nor as a source its own node. */
  #opposite(pod: PodLife, direction: PolicyType, other: Party): Opposite[] {
    const sites = this.#sites(other, direction === 'Ingress' ? pod : undefined);
    return sites.filter((site) => !(site.kind === 'pod' && site.life === pod));
  }

  /** Which of the ports an isolated pod's policies open for the party under some reading. */
  #opened(pod: PodLife, direction: PolicyType, other: Party, ports: readonly number[]) {
    const opened: { readonly protocol: PolicyProtocol; readonly port: number }[] = [];
    for (const site of this.#opposite(pod, direction, other)) {
      const server = direction === 'Ingress' ? pod : site.kind === 'pod' ? site.life : undefined;
      for (const one of readings.flatMap((reading) => this.#judge.openedPorts(pod, direction, site, reading))) {
        for (const protocol of policyProtocols) {
          for (const port of ports) if (meetsPort(one, server, protocol, port)) opened.push({ protocol, port });
        }
      }
    }
    return opened;
  }

  #parties(strangers: readonly string[]): Party[] {
    const { plan } = this.#deployed;
    const workloads = plan.workloads.filter(({ hostNetwork }) => !hostNetwork);
    return [
      ...workloads.map(({ key }): Party => ({ kind: 'workload', key })),
      { kind: 'node' },
      { kind: 'apiserver' },
      ...strangers.map((address): Party => ({ kind: 'external', address })),
    ];
  }

  /** Every pair of ends that the connection must work between. */
  #pairs({ source, destination }: Triple): [Opposite, Opposite][] {
    const pairs: [Opposite, Opposite][] = [];
    for (const to of this.#sites(destination, undefined)) {
      for (const from of this.#sites(source, to.kind === 'pod' ? to.life : undefined)) {
        if (from.kind === 'pod' && to.kind === 'pod' && from.life === to.life) continue;
        pairs.push([from, to]);
      }
    }
    return pairs;
  }

  /** `server`: the pod whose own node is left out, because the API exempts it as a source. */
  #sites(party: Party, server: PodLife | undefined): Opposite[] {
    const { nodes } = this.#deployed;
    switch (party.kind) {
      case 'workload':
        return (this.#alive.get(party.key) ?? []).map((life) => ({ kind: 'pod', life }));
      case 'node':
        return nodes.filter((node) => node !== server?.node).flatMap(({ ips }) => ips.map(nodeAt));
      case 'own-node':
        return [];
      case 'apiserver':
        return nodes.slice(0, 1).map(({ ips }) => nodeAt(ips[0] ?? ''));
      case 'external':
        return [{ kind: 'external', ips: [party.address] }];
      case 'world':
        return party.addresses.map((address) => ({ kind: 'external', ips: [address] }));
    }
  }

  #opens(from: Opposite, to: Opposite, protocol: PolicyProtocol, port: number): boolean {
    return readings.every(
      (reading) =>
        (from.kind !== 'pod' || this.#judge.allows(from.life, 'Egress', to, protocol, port, reading)) &&
        (to.kind !== 'pod' || this.#judge.allows(to.life, 'Ingress', from, protocol, port, reading)),
    );
  }

  #someSideOpens(from: Opposite, to: Opposite, protocol: PolicyProtocol, port: number): boolean {
    return readings.some((reading) => {
      const out =
        from.kind === 'pod' &&
        this.#judge.isolated(from.life, 'Egress') &&
        this.#judge.allows(from.life, 'Egress', to, protocol, port, reading);
      const inward =
        to.kind === 'pod' &&
        this.#judge.isolated(to.life, 'Ingress') &&
        this.#judge.allows(to.life, 'Ingress', from, protocol, port, reading);
      return out || inward;
    });
  }
}

export interface OneConnection {
  readonly clientIp: string;
  readonly serverIp: string;
  readonly protocol: PolicyProtocol;
  readonly port: number;
}

export type Triple = Pick<PlannedConnection, 'source' | 'destination' | 'protocol' | 'port'>;

interface Grant {
  readonly direction: PolicyType;
  readonly self: WorkloadKey;
  readonly other: Party;
  readonly protocol: PolicyProtocol;
  readonly port: number;
}

function tripleOf({ direction, self, other, protocol, port }: Grant): Triple {
  const own: Party = { kind: 'workload', key: self };
  return direction === 'Ingress'
    ? { source: other, destination: own, protocol, port }
    : { source: own, destination: other, protocol, port };
}

/** One grant in words, the same for whoever found it. */
export function grantText(
  direction: PolicyType,
  self: WorkloadKey,
  other: Party,
  protocol: PolicyProtocol,
  port: number,
): string {
  return `${direction} ${tripleId(tripleOf({ direction, self, other, protocol, port }))}`;
}

const anywhere: Party = { kind: 'world', addresses: [] };

/** What a true connection makes legitimate besides itself: the API server is a node, a kubelet is on one. */
function widened(one: PlannedConnection): Triple[] {
  const parties = ({ kind, ...rest }: Party): Party[] =>
    kind === 'own-node' || kind === 'apiserver' || kind === 'node'
      ? [{ kind: 'node' }, { kind: 'apiserver' }]
      : [{ kind, ...rest } as Party];
  return parties(one.source).flatMap((source) =>
    parties(one.destination).map((destination) => ({ ...one, source, destination })),
  );
}

function nodeAt(ip: string): Opposite {
  return { kind: 'node', ips: [ip] };
}

function nameOf(site: Opposite): string {
  return site.kind === 'pod' ? site.life.name : site.ips.join(',');
}

/** `cluster-dns`, the one allowance wider than its evidence: who may ask by UDP may ask by TCP. */
export function isDnsAllowance(triple: string, dns: WorkloadKey): boolean {
  return triple.includes(` > ${partyId({ kind: 'workload', key: dns })} TCP/`);
}
