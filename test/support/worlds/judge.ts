import { type Cidr, cidrContains, parseCidr } from '../../../controller/model/cidr.ts';
import { type LabelSelector, type Labels, matchesSelector } from '../../../controller/model/label-selector.ts';
import type { NetworkPolicy, PolicyPeer, PolicyPort, PolicyType } from '../../../controller/model/network-policy.ts';
import type { PolicyProtocol } from '../../../controller/model/protocol.ts';
import type { Deployed, PodLife } from './deploy.ts';

/** The other side of a packet, as a policy may look at it. */
export type Opposite =
  | { readonly kind: 'pod'; readonly life: PodLife }
  /** A node, or what runs on its network, by address. */
  | { readonly kind: 'node'; readonly ips: readonly string[] }
  | { readonly kind: 'external'; readonly ips: readonly string[] };

export const everyPort = 'every port';
export type OpenedPort = PolicyPort | typeof everyPort;

/** Whether an ipBlock matches the address of a pod: network plugins disagree, so that a judge asks both. */
export type BlockReading = 'blocks-match-pods' | 'blocks-match-no-pod';

/**
 * Judges one side of one packet straight from the text of the API's rules (formats/07-networkpolicy.md 7.1): pod by
 * pod, port by port, no index and nothing shared with the product but the selector and CIDR values.
 */
export class Judge {
  readonly #namespaces: ReadonlyMap<string, Labels>;
  readonly #policies: readonly NetworkPolicy[];
  readonly #selecting = new Map<PodLife, Readonly<Record<PolicyType, readonly NetworkPolicy[]>>>();
  readonly #blocks = new Map<string, Cidr | undefined>();

  constructor(deployed: Deployed, policies: readonly NetworkPolicy[]) {
    this.#namespaces = new Map(deployed.plan.namespaces.map(({ name, labels }) => [name, labels]));
    this.#policies = policies;
  }

  isolated(pod: PodLife, direction: PolicyType): boolean {
    return this.#over(pod, direction).length > 0;
  }

  /** Whether the policies over `pod` let it talk (Egress) or be talked to (Ingress) by the other side. */
  allows(
    pod: PodLife,
    direction: PolicyType,
    opposite: Opposite,
    protocol: PolicyProtocol,
    port: number,
    reading: BlockReading,
  ): boolean {
    if (!this.isolated(pod, direction)) return true;
    const server = direction === 'Ingress' ? pod : opposite.kind === 'pod' ? opposite.life : undefined;
    return this.openedPorts(pod, direction, opposite, reading).some((one) => meetsPort(one, server, protocol, port));
  }

  /** Ports of the rules over an isolated `pod` whose peers meet the other side; `everyPort` for rules without ports. */
  openedPorts(pod: PodLife, direction: PolicyType, opposite: Opposite, reading: BlockReading): OpenedPort[] {
    return this.#over(pod, direction).flatMap(({ metadata, spec }) => {
      const rules =
        direction === 'Ingress'
          ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
          : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
      return rules
        .filter(
          ({ peers = [] }) =>
            peers.length === 0 || peers.some((peer) => this.#meets(peer, metadata.namespace, opposite, reading)),
        )
        .flatMap(({ ports = [] }): readonly OpenedPort[] => (ports.length === 0 ? [everyPort] : ports));
    });
  }

  #over(pod: PodLife, direction: PolicyType): readonly NetworkPolicy[] {
    if (pod.workload.hostNetwork) return [];
    let over = this.#selecting.get(pod);
    if (over === undefined) {
      const selecting = this.#policies.filter(
        ({ metadata, spec }) =>
          metadata.namespace === pod.workload.namespace && matchesSelector(spec.podSelector, pod.labels),
      );
      const of = (one: PolicyType) =>
        selecting.filter(({ spec }) => (spec.policyTypes ?? defaultTypes(spec.egress)).includes(one));
      over = { Ingress: of('Ingress'), Egress: of('Egress') };
      this.#selecting.set(pod, over);
    }
    return over[direction];
  }

  #meets(peer: PolicyPeer, home: string, opposite: Opposite, reading: BlockReading): boolean {
    const { ipBlock, namespaceSelector, podSelector } = peer;
    if (ipBlock !== undefined) {
      const pod = opposite.kind === 'pod' && !opposite.life.workload.hostNetwork;
      if (pod && reading === 'blocks-match-no-pod') return false;
      const ips = opposite.kind === 'pod' ? opposite.life.ips : opposite.ips;
      const inside = (cidr: string, ip: string) => {
        const [outer, inner] = [this.#block(cidr), this.#block(ip)];
        return outer !== undefined && inner !== undefined && cidrContains(outer, inner);
      };
      return ips.some((ip) => inside(ipBlock.cidr, ip) && !(ipBlock.except ?? []).some((cidr) => inside(cidr, ip)));
    }
    if (namespaceSelector === undefined && podSelector === undefined) return false;
    if (opposite.kind !== 'pod' || opposite.life.workload.hostNetwork) return false;
    const { namespace } = opposite.life.workload;
    const rightNamespace = namespaceSelector ? this.#namespaceMeets(namespaceSelector, namespace) : namespace === home;
    return rightNamespace && matchesSelector(podSelector ?? {}, opposite.life.labels);
  }

  #block(text: string): Cidr | undefined {
    if (!this.#blocks.has(text)) this.#blocks.set(text, parseCidr(text));
    return this.#blocks.get(text);
  }

  #namespaceMeets(selector: LabelSelector, namespace: string): boolean {
    return matchesSelector(selector, this.#namespaces.get(namespace) ?? {});
  }
}

function defaultTypes(egress: readonly unknown[] | undefined): readonly PolicyType[] {
  return (egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

export function meetsPort(
  one: OpenedPort,
  server: PodLife | undefined,
  protocol: PolicyProtocol,
  port: number,
): boolean {
  if (one === everyPort) return true;
  if ((one.protocol ?? 'TCP') !== protocol) return false;
  if (one.port === undefined) return true;
  if (typeof one.port === 'number') return one.port <= port && port <= (one.endPort ?? one.port);
  return (server?.workload.ports ?? []).some(
    (own) => own.name === one.port && own.protocol === protocol && own.number === port,
  );
}
