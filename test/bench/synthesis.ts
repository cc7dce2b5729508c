import { analyse } from '../../controller/analysis.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { Cluster, Pod } from '../../controller/model/cluster.ts';
import { cidrSetOf } from '../../controller/model/cidr.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import type { AttributedPeer } from '../../controller/model/sighting.ts';
import { type Workload, workloadKey } from '../../controller/model/workload.ts';
import { kubernetesDialect } from '../../controller/policy/dialects/kubernetes.ts';
import { randomOf } from '../support/worlds/random.ts';
import type { Bench, Figure } from './measure.ts';

const workloads = 10_000;
const namespaces = 100;
const startMs = Date.UTC(2026, 0, 5);
const few = 100_000;
const many = 1_000_000;

export const bench: Bench = {
  name: 'synthesis',
  title: `synthesis with proof of ${workloads.toLocaleString('en-US')} workloads, one thread, from the graph to proved YAML`,
  run() {
    const cluster = clusterOf();
    const small = seconds(cluster, few);
    const large = seconds(cluster, many);
    return Promise.resolve([
      figure('100,000 connections', small, 's'),
      figure('1,000,000 connections', large, 's', { text: 'under 60 s', met: large < 60 }),
      figure('growth from 100,000 to 1,000,000', large / small, 'x', { text: 'at most 12x', met: large <= 12 * small }),
    ]);
  },
};

function figure(what: string, value: number, unit: string, bar?: Figure['bar']): Figure {
  return { what, values: [value], unit, baseline: undefined, bar };
}

/** Seconds from a filled graph to the last proved policy. */
function seconds(cluster: Cluster, connections: number): number {
  const traffic = graphOf(cluster, connections);
  globalThis.gc?.();
  const start = performance.now();
  const { proposals, refusals } = analyse({
    cluster,
    traffic,
    profile: defaultProfile,
    dialect: kubernetesDialect,
    comments: true,
    namespaces: [],
  });
  const elapsed = (performance.now() - start) / 1000;
  const invalid = proposals.filter(({ state }) => state === 'Invalid');
  if (proposals.length !== workloads || refusals.length > 0 || invalid.length > 0) {
    throw new Error(`${proposals.length} proposals, ${refusals.length} refusals, ${invalid.length} invalid`);
  }
  return elapsed;
}

function clusterOf(): Cluster {
  const all = Array.from({ length: workloads }, (_, i): Workload => {
    const ref = { namespace: `team-${i % namespaces}`, kind: 'Deployment', name: `service-${i}` };
    return {
      ...ref,
      key: workloadKey(ref),
      selector: { matchLabels: { app: ref.name } },
      podLabels: { app: ref.name, tier: i % 3 === 0 ? 'front' : 'back' },
      podAnnotations: {},
      containerPorts: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      hostNetwork: false,
      serviceAccount: 'default',
      mountsApiToken: false,
      replicas: 1,
      schedule: undefined,
      origin: '',
    };
  });
  const pods = all.map(
    (one, i): Pod => ({
      namespace: one.namespace,
      name: `${one.name}-0`,
      workload: one.key,
      labels: one.podLabels,
      containerPorts: one.containerPorts,
      ips: [`10.${64 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
      node: `node-${i % 200}`,
      hostNetwork: false,
      phase: 'Running',
      startMs,
      endMs: undefined,
      virtual: false,
    }),
  );
  const names = Array.from({ length: namespaces }, (_, i) => `team-${i}`);
  return {
    namespaces: new Map(names.map((name) => [name, { name, labels: { 'kubernetes.io/metadata.name': name } }])),
    workloads: new Map(all.map((one) => [one.key, one])),
    pods,
    nodes: [],
    services: [],
    policies: [],
    webhooks: [],
    exposures: [],
    apiServer: { ips: [], port: undefined },
    cidrs: { pods: cidrSetOf('10.64.0.0/10'), services: cidrSetOf('10.0.0.0/16'), nodes: cidrSetOf(), complete: true },
  };
}

/** Distinct connections between distinct pairs, every workload a client and a server of as many others as the rest. */
function graphOf({ workloads: all }: Cluster, connections: number): TrafficGraph {
  const graph = new TrafficGraph({ binMs: defaultProfile.learning.binMs });
  const random = randomOf(1);
  const peers = [...all.keys()].map(
    (workload, i): AttributedPeer => ({
      endpoint: { kind: 'workload', workload },
      replica: i + 1,
    }),
  );
  const perWorkload = connections / workloads;
  for (let i = 0; i < workloads; i++) {
    for (let step = 1; step <= perWorkload; step++) {
      const timeMs = startMs + random.int(0, 5_000) * 60_000;
      graph.observe({
        timeMs,
        endMs: timeMs,
        client: peers[i] as AttributedPeer,
        server: peers[(i + step * 7) % workloads] as AttributedPeer,
        clientIp: undefined,
        serverDnsNames: undefined,
        clientPort: 40_000,
        port: step % 4 === 0 ? 9090 : 8080,
        protocol: 6,
        directed: true,
        verdict: 'allowed',
        answered: true,
        connections: 1,
        bytes: 0,
        source: 'hubble',
      });
    }
  }
  if (graph.size !== connections) throw new Error(`made ${graph.size} connections instead of ${connections}`);
  return graph;
}
