import { clusterRanges, type LabNode } from './lab.ts';
import { type IngressPolicy, matches, portNumber, type Service, type World } from './manifests.ts';
import type { ShopPod } from './pods.ts';

/** One address and port behind a Service. */
export interface Backend {
  readonly address: string;
  readonly port: number;
  readonly pod: ShopPod | undefined;
}

/** The ready pods behind a Service's port, by family; the API server's own Service has no selector. */
export function backendsOf(
  service: Service,
  port: Service['spec']['ports'][number],
  family: 4 | 6,
  pods: readonly ShopPod[],
  apiServer: string,
): readonly Backend[] {
  const { selector } = service.spec;
  if (selector === undefined) return [{ address: apiServer, port: Number(port.targetPort), pod: undefined }];
  return pods
    .filter((pod) => pod.ready && pod.namespace === service.metadata.namespace && matches(selector, pod.labels))
    .map((pod) => ({
      address: family === 4 ? pod.ipv4 : pod.ipv6,
      port: portNumber(port.targetPort, pod.template),
      pod,
    }));
}

/** What a node's kube-proxy and network plugin would do: Services, masquerade for the outside, NetworkPolicies. */
export function nodeRules(node: LabNode, world: World, pods: readonly ShopPod[], apiServer: string): string {
  const services = world.services.flatMap((service) => serviceRules(node, service, pods, apiServer));
  const policies = world.policies.flatMap((policy) => policyRules(node, policy, world, pods));
  const inside = (family: 0 | 1) =>
    Object.values(clusterRanges)
      .map((ranges) => ranges[family])
      .join(', ');
  return `
table inet shop
delete table inet shop
table inet shop {
  chain services {
    type nat hook prerouting priority -100; policy accept;
    ${services.join('\n    ')}
  }
  chain outside {
    type nat hook postrouting priority 100; policy accept;
    ip saddr ${clusterRanges.pods[0]} ip daddr != { ${inside(0)} } masquerade
    ip6 saddr ${clusterRanges.pods[1]} ip6 daddr != { ${inside(1)} } masquerade
  }
  chain policies {
    type filter hook forward priority 0; policy accept;
    ct state established,related accept
    ${policies.join('\n    ')}
  }
}
`;
}

function serviceRules(node: LabNode, service: Service, pods: readonly ShopPod[], apiServer: string): string[] {
  const clusterIps = service.spec.clusterIPs.filter((ip) => ip !== 'None');
  const balancerIps = (service.status?.loadBalancer.ingress ?? []).map(({ ip }) => ip);
  return [...clusterIps, ...balancerIps].flatMap((address) =>
    service.spec.ports.flatMap((port) => {
      const family = address.includes(':') ? 6 : 4;
      // externalTrafficPolicy Local: a node passes outside clients on to its own pods only, and keeps their addresses.
      const backends = backendsOf(service, port, family, pods, apiServer).filter(
        ({ pod }) => !balancerIps.includes(address) || pod?.node === node,
      );
      if (backends.length === 0) return [];
      const ip = family === 4 ? 'ip' : 'ip6';
      const choices = backends.map((backend, i) => `${i} : ${backend.address} . ${backend.port}`).join(', ');
      const match = `${ip} daddr ${address} ${port.protocol.toLowerCase()} dport ${port.port}`;
      return [`${match} dnat ${ip} to numgen random mod ${backends.length} map { ${choices} }`];
    }),
  );
}

/** Enforced where the selected pod runs; what is dropped is traced, so that the recorder hears of it. */
function policyRules(node: LabNode, policy: IngressPolicy, world: World, pods: readonly ShopPod[]): string[] {
  const selected = pods.filter(
    (pod) =>
      pod.node === node &&
      pod.namespace === policy.metadata.namespace &&
      matches(policy.spec.podSelector.matchLabels, pod.labels),
  );
  return selected.flatMap((pod) => [
    ...policy.spec.ingress.flatMap(({ from, ports }) => {
      const clients = pods.filter(
        (client) =>
          !client.hostNetwork &&
          from.some(
            (peer) =>
              matches(peer.namespaceSelector.matchLabels, world.namespaces.get(client.namespace) ?? {}) &&
              matches(peer.podSelector.matchLabels, client.labels),
          ),
      );
      return clients.flatMap((client) =>
        ports.flatMap(({ protocol, port }) => [
          `ip saddr ${client.ipv4} ip daddr ${pod.ipv4} ${protocol.toLowerCase()} dport ${port} accept`,
          `ip6 saddr ${client.ipv6} ip6 daddr ${pod.ipv6} ${protocol.toLowerCase()} dport ${port} accept`,
        ]),
      );
    }),
    `ip daddr ${pod.ipv4} meta nftrace set 1`,
    `ip6 daddr ${pod.ipv6} meta nftrace set 1`,
    `ip daddr ${pod.ipv4} drop`,
    `ip6 daddr ${pod.ipv6} drop`,
  ]);
}
