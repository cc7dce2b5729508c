import { cidrContains, parseCidr } from '../../../controller/model/cidr.ts';
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

/** Whether an ipBlock matches the address of a pod: network plugins disagree, so that a judge asks both. */
export type BlockReading = 'blocks-match-pods' | 'blocks-match-no-pod';

/**
 * Judges one side of one packet straight from the text of the API's rules (formats/07-networkpolicy.md 7.1): pod by
 * pod, port by port, no index and nothing shared with the product but the selector and CIDR values.
 */
export class Judge {
  readonly #namespaces: ReadonlyMap<string, Labels>;
  readonly #policies: readonly NetworkPolicy[];

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
    const policies = this.#over(pod, direction);
    if (policies.length === 0) return true;
    const server = direction === 'Ingress' ? pod : opposite.kind === 'pod' ? opposite.life : undefined;
    return policies.some(({ metadata, spec }) => {
      const rules =
        direction === 'Ingress'
          ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports }))
          : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports }));
      return rules.some(
        ({ peers = [], ports = [] }) =>
          (peers.length === 0 || peers.some((peer) => this.#meets(peer, metadata.namespace, opposite, reading))) &&
          (ports.length === 0 || ports.some((one) => meetsPort(one, server, protocol, port))),
      );
    });
  }

  #over(pod: PodLife, direction: PolicyType): NetworkPolicy[] {
    if (pod.workload.hostNetwork) return [];
    return this.#policies.filter(
      ({ metadata, spec }) =>
        metadata.namespace === pod.workload.namespace &&
        matchesSelector(spec.podSelector, pod.labels) &&
        (spec.policyTypes ?? defaultTypes(spec.egress)).includes(direction),
    );
  }

  #meets(peer: PolicyPeer, home: string, opposite: Opposite, reading: BlockReading): boolean {
    const { ipBlock, namespaceSelector, podSelector } = peer;
    if (ipBlock !== undefined) {
      const pod = opposite.kind === 'pod' && !opposite.life.workload.hostNetwork;
      if (pod && reading === 'blocks-match-no-pod') return false;
      const ips = opposite.kind === 'pod' ? opposite.life.ips : opposite.ips;
      const inside = (cidr: string, ip: string) => {
        const [outer, inner] = [parseCidr(cidr), parseCidr(ip)];
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

  #namespaceMeets(selector: LabelSelector, namespace: string): boolean {
    return matchesSelector(selector, this.#namespaces.get(namespace) ?? {});
  }
}

function defaultTypes(egress: readonly unknown[] | undefined): readonly PolicyType[] {
  return (egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function meetsPort(one: PolicyPort, server: PodLife | undefined, protocol: PolicyProtocol, port: number): boolean {
  if ((one.protocol ?? 'TCP') !== protocol) return false;
  if (one.port === undefined) return true;
  if (typeof one.port === 'number') return one.port <= port && port <= (one.endPort ?? one.port);
  return (server?.workload.ports ?? []).some(
    (own) => own.name === one.port && own.protocol === protocol && own.number === port,
  );
}
