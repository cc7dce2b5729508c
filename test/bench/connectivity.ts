import type { Cluster } from '../../controller/model/cluster.ts';
import type { NetworkPolicy, PolicyPeer } from '../../controller/model/network-policy.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../../controller/policy/evaluate/compile-policies.ts';
import { evaluator } from '../../controller/policy/evaluate/evaluator.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { type Bench, type Figure, spread, table } from './measure.ts';

const namespaceOf = (i: number) => `team-${i % 50}`;
const appOf = (i: number) => `app-${i}`;

/** Workloads in 50 namespaces with `replicas` pods each that have addresses, generated labels and a named port. */
function world(workloads: number, replicas: number): Cluster {
  let address = 0;
  const ip = () => `10.${64 + (++address >> 16)}.${(address >> 8) & 255}.${address & 255}`;
  return buildCluster(
    Array.from({ length: workloads }, (_, i) => {
      const labels = { app: appOf(i), tier: `tier-${i % 5}` };
      return {
        namespace: namespaceOf(i),
        name: appOf(i),
        labels,
        containerPorts: [{ name: 'http', port: 8080, protocol: 'TCP' as const }],
        pods: Array.from({ length: replicas }, () => ({
          labels: { ...labels, 'pod-template-hash': `hash-${i}` },
          ips: [ip()],
          node: `node-${address % 100}`,
        })),
      };
    }),
  );
}

/** Isolates one workload both ways and lets it talk with `peers` others, the cluster's DNS and one address outside. */
function policy(i: number, workloads: number, peers: number): NetworkPolicy {
  const others = (step: number): PolicyPeer[] =>
    Array.from({ length: peers }, (_, k) => (i + step * (k + 1) + workloads) % workloads).map((other) => ({
      podSelector: { matchLabels: { app: appOf(other) } },
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespaceOf(other) } },
    }));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace: namespaceOf(i), name: appOf(i) },
    spec: {
      podSelector: { matchLabels: { app: appOf(i) } },
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        { from: others(-7), ports: [{ port: 'http' }, { port: 9000, endPort: 9010 }] },
        { from: [{ namespaceSelector: {}, podSelector: { matchLabels: { app: appOf(0) } } }], ports: [{ port: 9090 }] },
      ],
      egress: [
        { to: others(7), ports: [{ port: 8080 }, { port: 9000, endPort: 9010 }] },
        {
          to: [{ namespaceSelector: {}, podSelector: { matchLabels: { tier: 'tier-0' } } }],
          ports: [{ protocol: 'UDP', port: 53 }],
        },
        { to: [{ ipBlock: { cidr: `203.0.${i % 100}.${(i >> 7) & 255}/32` } }], ports: [{ port: 443 }] },
      ],
    },
  };
}

function seconds(cluster: Cluster, policies: readonly NetworkPolicy[]): { seconds: number; pairs: number } {
  globalThis.gc?.();
  const start = performance.now();
  const index = indexCluster(cluster);
  const answers = evaluator(index, compilePolicies(index, policies), cniProfile('calico'));
  let pairs = 0;
  for (const _ of answers.connectivity()) pairs++;
  return { seconds: (performance.now() - start) / 1000, pairs };
}

export const bench: Bench = {
  name: 'connectivity',
  title: 'all pairs that may talk, from the cluster model to the last pair, index and compilation included',
  async run() {
    const cases = [
      {
        what: '1,000 pods of 250 workloads, 500 policies',
        cluster: world(250, 4),
        workloads: 250,
        policies: 500,
        limit: 1,
        rounds: 3,
      },
      {
        what: '10,000 workloads of 3 pods, a policy each',
        cluster: world(10_000, 3),
        workloads: 10_000,
        policies: 10_000,
        limit: 30,
        rounds: 3,
      },
    ];
    return cases.flatMap(({ what, cluster, workloads, policies, limit, rounds }): Figure[] => {
      const set = Array.from({ length: policies }, (_, i) =>
        policy(i % workloads, workloads, 5 + Math.floor(i / workloads)),
      );
      const runs = Array.from({ length: rounds }, () => seconds(cluster, set));
      const values = runs.map((run) => run.seconds);
      return [
        {
          what,
          values,
          unit: 's',
          baseline: undefined,
          bar: { text: `under ${limit} s`, met: spread(values).max < limit },
        },
        { what: 'pairs found', values: [runs[0]?.pairs ?? 0], unit: 'pairs', baseline: undefined, bar: undefined },
      ];
    });
  },
};

if (import.meta.main) process.stdout.write(`${table(await bench.run())}\n`);
