import { DirectedGraph } from 'graphology';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { AttributedPeer, Sighting } from '../../controller/model/sighting.ts';
import { workloadKey } from '../../controller/model/workload.ts';
import { type Bench, type Figure, liveBytes, spread } from './measure.ts';

const workloads = 10_000;
const connections = 1_000_000;
const flowsPerConnection = 3;
const startMs = Date.UTC(2026, 0, 5);

const name = (i: number) => `service-${i.toString().padStart(5, '0')}`;

/** The worst case for the graph: every connection is the only one of its pair. */
function pair(i: number): [number, number] {
  const source = i % workloads;
  return [source, (source + 1 + Math.floor(i / workloads) * 7) % workloads];
}

function peers(): AttributedPeer[] {
  return Array.from({ length: workloads }, (_, i) => ({
    endpoint: {
      kind: 'workload',
      workload: workloadKey({ namespace: `team-${i % 100}`, kind: 'Deployment', name: name(i) }),
    },
    replica: (Math.imul(i, 2654435761) >>> 0) + 1,
  }));
}

function sighting(client: AttributedPeer, server: AttributedPeer, flow: number): Sighting {
  const timeMs = startMs + (flow % 97) * 293_000;
  return {
    timeMs,
    endMs: timeMs,
    client,
    server,
    clientIp: undefined,
    serverDnsNames: undefined,
    clientPort: 32_768 + (flow % 28_000),
    port: 8080,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 1,
    bytes: 0,
    source: 'hubble',
  };
}

/** What is alive because of `make`, and the seconds that it took. */
function cost(make: () => { readonly size: number }): { bytes: number; seconds: number } {
  const before = liveBytes();
  const start = performance.now();
  const made = make();
  const seconds = (performance.now() - start) / 1000;
  const bytes = liveBytes() - before;
  if (made.size !== connections) throw new Error(`made ${made.size} connections instead of ${connections}`);
  return { bytes, seconds };
}

function bareGraph(): { readonly size: number } {
  const graph = new DirectedGraph<object, { count: number }>();
  for (let i = 0; i < workloads; i++) graph.addNode(name(i));
  for (let i = 0; i < connections; i++) {
    const [source, target] = pair(i);
    graph.addEdge(name(source), name(target), { count: i });
  }
  return graph;
}

function trafficGraph(known: readonly AttributedPeer[]): { readonly size: number } {
  const graph = new TrafficGraph({ binMs: 300_000 });
  for (let flow = 0; flow < connections * flowsPerConnection; flow++) {
    const [source, target] = pair(flow % connections);
    graph.observe(sighting(known[source] as AttributedPeer, known[target] as AttributedPeer, flow));
  }
  return graph;
}

export const bench: Bench = {
  name: 'graph-memory',
  title: `live memory of ${connections.toLocaleString('en-US')} connections of ${workloads.toLocaleString('en-US')} workloads, each the only one of its pair`,
  async run() {
    const known = peers();
    const bare = [];
    const ours = [];
    for (let round = 0; round < 3; round++) {
      bare.push(cost(bareGraph));
      ours.push(cost(() => trafficGraph(known)));
    }
    const perConnection = (costs: readonly { bytes: number }[]) => costs.map(({ bytes }) => bytes / connections);
    const baseline = 'a bare graphology edge with one attribute';
    const figures: Figure[] = [
      { what: baseline, values: perConnection(bare), unit: 'bytes', baseline: undefined, bar: undefined },
      {
        what: 'a connection with all its evidence',
        values: perConnection(ours),
        unit: 'bytes',
        baseline,
        bar: { text: 'at most 400 bytes', met: spread(perConnection(ours)).max <= 400 },
      },
      {
        what: 'observing flows, new connections included',
        values: ours.map(({ seconds }) => (connections * flowsPerConnection) / seconds / 1000),
        unit: 'k flows/s',
        baseline: undefined,
        bar: undefined,
      },
    ];
    return figures;
  },
};
