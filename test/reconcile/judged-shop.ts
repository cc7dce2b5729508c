import type { Cluster } from '../../controller/model/cluster.ts';
import { connectionId } from '../../controller/model/connection.ts';
import { apiServerEndpoint, type Endpoint } from '../../controller/model/endpoint.ts';
import type { NetworkPolicy, NetworkPolicySpec } from '../../controller/model/network-policy.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { proofWorld } from '../../controller/policy/proof-world.ts';
import { type FlowFindings, FlowJudge, type WatchedPolicies } from '../../controller/reconcile/flow-judge.ts';
import { buildCluster, keyOf } from '../support/build-cluster.ts';
import { peer, sighting, workload } from '../support/sightings.ts';

export const appliedMs = Date.UTC(2026, 10, 20, 12);

export const shop = (parts: Partial<Cluster> = {}) =>
  buildCluster(
    [
      { name: 'web', labels: { app: 'web' }, pods: [{ node: 'a', ips: ['10.244.0.1'] }] },
      {
        name: 'cart',
        labels: { app: 'cart' },
        pods: [
          { node: 'a', ips: ['10.244.0.2'] },
          { node: 'b', ips: ['10.244.1.2'] },
        ],
      },
      { name: 'redis', labels: { app: 'redis' }, pods: [{ node: 'b', ips: ['10.244.1.3'] }] },
    ],
    {
      nodes: ['a', 'b'].map((name, i) => ({
        name,
        labels: {},
        ips: [`172.18.0.${i + 2}`],
        hostIps: [`172.18.0.${i + 2}`],
        podCidrs: [],
      })),
      apiServer: { ips: ['172.18.0.9'], port: 6443 },
      ...parts,
    },
  );

export const policy = (name: string, app: string, spec: Omit<NetworkPolicySpec, 'podSelector'>): NetworkPolicy => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'NetworkPolicy',
  metadata: { name, namespace: 'shop' },
  spec: { podSelector: { matchLabels: { app } }, policyTypes: ['Ingress', 'Egress'], ...spec },
});
export const pods = (app: string) => [{ podSelector: { matchLabels: { app } } }];
export const port = (number: number) => [{ protocol: 'TCP' as const, port: number }];

/** shop/cart is called by shop/web on 8080 and calls shop/redis on 6379. */
export const cartPolicy = policy('nanoseg-cart', 'cart', {
  ingress: [{ from: pods('web'), ports: port(8080) }],
  egress: [{ to: pods('redis'), ports: port(6379) }],
});

const ends: Readonly<Record<string, Endpoint>> = {
  web: workload('web'),
  cart: workload('cart'),
  redis: workload('redis'),
  apiserver: apiServerEndpoint,
  unknown: { kind: 'unknown', reason: 'no-owner', address: '10.9.9.9' },
  dns: { kind: 'service', namespace: 'kube-system', name: 'dns' },
};

export function end(text: string): Endpoint {
  if (text.startsWith('node:')) return { kind: 'node', name: text.slice(5) };
  return ends[text] ?? { kind: 'external', address: text };
}

/** `web > cart 8080`, seen a minute after the apply. */
export function flow(text: string, parts: Partial<Sighting> = {}): Sighting {
  const [from = '', , to = '', number = '0'] = text.split(' ');
  const timeMs = appliedMs + 60_000;
  return sighting({ client: peer(end(from)), server: peer(end(to)), port: Number(number), timeMs, ...parts });
}

export const idOf = (text: string) => {
  const { client, server, port: number } = flow(text);
  return connectionId(client.endpoint, server.endpoint, 6, number, true);
};

export function watched(parts: Partial<WatchedPolicies> = {}): WatchedPolicies {
  return {
    digest: 'sha256:one',
    workloads: [keyOf('shop/cart')],
    policies: [cartPolicy],
    inForce: [],
    baseline: new Set([idOf('web > cart 8080'), idOf('cart > redis 6379')]),
    enforced: true,
    sinceMs: appliedMs,
    ...parts,
  };
}

export function worldOf(cluster: Cluster, cni: 'calico' | 'generic' = 'calico') {
  return proofWorld(indexCluster(cluster), cluster.policies, { ...defaultProfile, cni });
}

export function judgeOf(parts: Partial<WatchedPolicies> = {}, cluster = shop()): FlowJudge {
  const judge = new FlowJudge();
  judge.setWorld(worldOf(cluster));
  judge.watch('cart', watched(parts));
  return judge;
}

export function findings(judge: FlowJudge, ...flows: readonly Sighting[]): FlowFindings {
  for (const one of flows) judge.observe(one);
  const found = judge.findings('cart');
  if (!found) throw new Error('not watched');
  return found;
}

export const shadow = { enforced: false } as const;
export const answered = { answered: true } as const;
export const denied = { verdict: 'denied' } as const;
export const idsOf = (list: FlowFindings['denied']) => list.samples.map(({ connection }) => connection);
