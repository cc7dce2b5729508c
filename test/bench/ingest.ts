import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFlowFile } from '../../controller/adapters/flow-file/open-flow-file.ts';
import { FlowAttributor } from '../../controller/attribution/attribute-flow.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { ingest } from '../../controller/ingest.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import type { Sighting } from '../../controller/model/sighting.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { type Bench, rates, spread } from './measure.ts';

const workloads = 300;
const replicas = 3;
const lines = 200_000;
const rounds = 5;
const startMs = Date.UTC(2026, 0, 5);

const name = (i: number) => `service-${i.toString().padStart(3, '0')}`;
const namespace = (i: number) => `team-${i % 10}`;
const podName = (i: number, replica: number) => `${name(i)}-6d8f7c9b5d-x${replica}k${i.toString(36)}q`;
const address = (i: number, replica: number) => `10.244.${i & 0xff}.${(i >> 8) * 64 + replica + 2}`;
const nodeName = (i: number, replica: number) => `worker-${(i + replica) % 12}`;

function cluster(): Cluster {
  return buildCluster(
    Array.from({ length: workloads }, (_, i) => ({
      namespace: namespace(i),
      name: name(i),
      labels: { 'app.kubernetes.io/name': name(i) },
      pods: Array.from({ length: replicas }, (_, replica) => ({
        name: podName(i, replica),
        ips: [address(i, replica)],
        node: nodeName(i, replica),
        startMs: startMs - 1000,
      })),
    })),
  );
}

function endpoint(i: number, replica: number, local: boolean): object {
  const labels = [
    `k8s:app.kubernetes.io/name=${name(i)}`,
    `k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=${namespace(i)}`,
    `k8s:io.kubernetes.pod.namespace=${namespace(i)}`,
  ];
  const known = { identity: 20_000 + i, cluster_name: 'default', namespace: namespace(i), labels };
  const pod = { ...known, pod_name: podName(i, replica) };
  return local ? { ID: 100 + i, ...pod, workloads: [{ name: name(i), kind: 'Deployment' }] } : pod;
}

const world = { identity: 2, labels: ['reserved:world'] };

/**
 * One line of an agent's export file, in a mix of what such a file holds: first packets at the server's node, answers
 * at the client's, look-ups of names, connections to the outside, a few drops by policy.
 */
function line(n: number): string {
  const client = (n * 7) % workloads;
  const server = (client + 1 + ((n * 13) % 8)) % workloads;
  const [from, to] = [n % replicas, (n >> 2) % replicas];
  const reply = n % 5 === 4;
  const outside = n % 20 === 7;
  const udp = n % 10 === 3;
  const dropped = n % 100 === 50;
  const local = reply || outside ? nodeName(client, from) : nodeName(server, to);
  const time = new Date(startMs + n * 20).toISOString().replace('Z', '123456Z');
  const clientPort = 32_768 + ((n * 31) % 28_000);
  const port = outside ? 443 : udp ? 53 : 8000 + (server % 5);
  const clientSide = { ip: address(client, from), port: clientPort, peer: endpoint(client, from, reply || outside) };
  const serverSide = outside
    ? { ip: `192.0.2.${n % 40}`, port, peer: world }
    : { ip: address(server, to), port, peer: endpoint(server, to, !reply) };
  const [source, destination] = reply ? [serverSide, clientSide] : [clientSide, serverSide];
  const ports = { source_port: source.port, destination_port: destination.port };
  const flags = reply ? { SYN: true, ACK: true } : { SYN: true };
  const flow = {
    time,
    uuid: `7c1e5f0a-0b1d-4a52-9b7e-${n.toString(16).padStart(12, '0')}`,
    verdict: dropped ? 'DROPPED' : 'FORWARDED',
    ...(dropped ? { drop_reason: 133 } : {}),
    ethernet: { source: '0a:58:0a:f4:01:02', destination: '0a:58:0a:f4:02:03' },
    IP: { source: source.ip, destination: destination.ip, ipVersion: 'IPv4' },
    l4: udp ? { UDP: ports } : { TCP: { ...ports, flags } },
    source: source.peer,
    destination: destination.peer,
    Type: 'L3_L4',
    node_name: `default/${local}`,
    ...(reply ? { reply: true } : {}),
    event_type: { type: dropped ? 1 : 4 },
    traffic_direction: reply || outside ? 'EGRESS' : 'INGRESS',
    ...(dropped
      ? { drop_reason_desc: 'POLICY_DENIED' }
      : {
          trace_observation_point: outside ? 'TO_STACK' : 'TO_ENDPOINT',
          trace_reason: reply ? 'REPLY' : 'NEW',
          is_reply: reply,
          interface: { index: 42, name: 'lxc8f2b1c9d0e3a' },
        }),
    Summary: udp ? 'UDP' : `TCP Flags: ${reply ? 'SYN, ACK' : 'SYN'}`,
  };
  return JSON.stringify({ flow, node_name: `default/${local}`, time });
}

async function fileToGraph(path: string, known: Cluster): Promise<number> {
  const graph = new TrafficGraph({ binMs: 300_000 });
  const attributor = new FlowAttributor(known);
  const summary = await ingest([openFlowFile(path)], attributor, graph, { signal: new AbortController().signal });
  if (summary.flows !== lines) throw new Error(`read ${summary.flows} flows of ${lines}`);
  if (summary.unattributed.length > 0) throw new Error('the benchmark has flows without owners');
  return lines;
}

/** What is left when nothing is parsed: the rate that no parser of the lines can pass. */
async function readAndSplit(path: string): Promise<number> {
  let count = 0;
  let rest = '';
  for await (const chunk of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 20 })) {
    const parts = (rest + (chunk as string)).split('\n');
    rest = parts.pop() ?? '';
    count += parts.length;
  }
  return count;
}

async function sightingsOf(path: string, known: Cluster): Promise<Sighting[]> {
  const attributor = new FlowAttributor(known);
  const found: Sighting[] = [];
  for await (const { flows } of openFlowFile(path).batches(new AbortController().signal)) {
    for (const flow of flows) found.push(attributor.attribute(flow));
  }
  return found;
}

export const bench: Bench = {
  name: 'ingest',
  title: `a Hubble JSON file of ${lines.toLocaleString('en-US')} flows to the traffic graph, one thread`,
  async run() {
    const directory = mkdtempSync(join(tmpdir(), 'nanoseg-bench-'));
    try {
      const path = join(directory, 'flows.json');
      writeFileSync(path, `${Array.from({ length: lines }, (_, n) => line(n)).join('\n')}\n`);
      const known = cluster();
      const split = readFileSync(path, 'utf8').trimEnd().split('\n');
      const bytes = Math.round(split.reduce((sum, { length }) => sum + length, 0) / lines);
      const seen = await sightingsOf(path, known);
      const graph = new TrafficGraph({ binMs: 300_000 });
      const baseline = `bare JSON.parse of the same lines (${bytes} bytes each), in memory`;
      const whole = 'file to graph: read, parse, attribute, count';
      const measured = await rates(
        {
          [baseline]: () => {
            for (const text of split) JSON.parse(text);
            return lines;
          },
          [whole]: () => fileToGraph(path, known),
          'reading and splitting the file, no parsing': () => readAndSplit(path),
          'counting attributed flows alone': () => {
            for (const sighting of seen) graph.observe(sighting, 'worker-1');
            return lines;
          },
        },
        rounds,
      );
      const ratio = spread(measured.get(whole) ?? []).median / spread(measured.get(baseline) ?? []).median;
      return [...measured].map(([what, values]) => ({
        what,
        values: values.map((rate) => rate / 1000),
        unit: 'k flows/s',
        baseline: what === baseline ? undefined : baseline,
        bar: what === whole ? { text: 'at least 0.8x', met: ratio >= 0.8 } : undefined,
      }));
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
};
