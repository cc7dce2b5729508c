import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { Agent, request } from 'undici';
import { readFile } from 'node:fs/promises';
import { encodeFlow } from '../../controller/adapters/flow-file/nanoseg-line.ts';
import { type Flow, type FlowPeer, unnamedPeer } from '../../controller/model/flow.ts';
import type { KubeApi } from './kube-api.ts';

export interface LargeCluster {
  readonly workloads: number;
  readonly podsPerWorkload: number;
  readonly namespaces: number;
  readonly nodes: number;
}

const startMs = Date.UTC(2026, 10, 1, 10);
const connections = 64;

export function namespaceOf({ namespaces }: LargeCluster, workload: number): string {
  return `team-${workload % namespaces}`;
}

export function podName(workload: number, replica: number): string {
  return `service-${workload}-7d9c5b6f48-${replica.toString().padStart(5, 'x')}`;
}

export function podAddress({ podsPerWorkload }: LargeCluster, workload: number, replica: number): string {
  const i = workload * podsPerWorkload + replica;
  return `10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
}

/** What a pod has beside what is read of it, as much as a real one has. */
export function podObject(size: LargeCluster, workload: number, replica: number) {
  const namespace = namespaceOf(size, workload);
  const owner = `service-${workload}-7d9c5b6f48`;
  const ip = podAddress(size, workload, replica);
  const labels = { ...labelsOf(size, workload), 'pod-template-hash': '7d9c5b6f48' };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: podName(workload, replica),
      generateName: `${owner}-`,
      namespace,
      labels,
      annotations: { 'cni.projectcalico.org/podIP': `${ip}/32`, 'cni.projectcalico.org/containerID': 'c'.repeat(64) },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: `u-${workload}`, controller: true },
      ],
    },
    spec: {
      nodeName: `node-${(workload * size.podsPerWorkload + replica) % size.nodes}`,
      containers: [
        {
          name: 'main',
          image: `registry.example/service-${workload}:1.2.3`,
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
          env: Array.from({ length: 20 }, (_, n) => ({ name: `SETTING_${n}`, value: `value-${n}`.repeat(4) })),
        },
      ],
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      startTime: new Date(startMs - 60_000).toISOString(),
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({ type, status: 'True' })),
    },
  };
}

function labelsOf(size: LargeCluster, workload: number) {
  const app = `service-${workload}`;
  return { app, 'app.kubernetes.io/name': app, 'app.kubernetes.io/part-of': namespaceOf(size, workload) };
}

function ownerObjects(size: LargeCluster, workload: number) {
  const namespace = namespaceOf(size, workload);
  const name = `service-${workload}`;
  const labels = labelsOf(size, workload);
  const spec = {
    replicas: size.podsPerWorkload,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: 'main', image: 'main', ports: [{ name: 'http', containerPort: 8080 }] }] },
    },
  };
  const controller = { apiVersion: 'apps/v1', kind: 'Deployment', name, uid: `d-${workload}`, controller: true };
  const replicaSet = { name: `${name}-7d9c5b6f48`, namespace, labels, ownerReferences: [controller] };
  return [
    [`/apis/apps/v1/namespaces/${namespace}/deployments`, { metadata: { name, namespace, labels }, spec }],
    [`/apis/apps/v1/namespaces/${namespace}/replicasets`, { metadata: replicaSet, spec }],
  ] as const;
}

/** Creates all of it through the API and answers with the number of objects. */
export async function createLargeCluster(api: KubeApi, size: LargeCluster): Promise<number> {
  const agent = new Agent({ connect: { ca: await readFile(api.caFile, 'utf8') }, connections, pipelining: 1 });
  const send = async (method: string, path: string, body: object): Promise<void> => {
    const reply = await request(`${api.server}${path}`, {
      method,
      dispatcher: agent,
      headers: { authorization: `Bearer ${api.tokenOf('admin')}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (reply.statusCode >= 300) throw new Error(`${method} ${path}: ${await reply.body.text()}`);
    await reply.body.dump({ limit: 1 << 24 });
  };
  const makers: (() => Promise<void>)[] = [];
  for (let i = 0; i < size.nodes; i++) {
    const status = { addresses: [{ type: 'InternalIP', address: `172.16.0.${i}` }] };
    makers.push(() => send('POST', '/api/v1/nodes', { metadata: { name: `node-${i}` }, status }));
  }
  for (let workload = 0; workload < size.workloads; workload++) {
    for (const [path, body] of ownerObjects(size, workload)) makers.push(() => send('POST', path, body));
    for (let replica = 0; replica < size.podsPerWorkload; replica++) {
      makers.push(async () => {
        const pod = podObject(size, workload, replica);
        const path = `/api/v1/namespaces/${pod.metadata.namespace}/pods`;
        await send('POST', path, pod);
        await send('PUT', `${path}/${pod.metadata.name}/status`, pod);
      });
    }
  }
  for (let i = 0; i < size.namespaces; i++) await api.createNamespace(`team-${i}`);
  const objects = makers.length + size.namespaces;
  const next = makers.values();
  try {
    await Promise.all(
      Array.from({ length: connections }, async () => {
        for (const make of next) await make();
      }),
    );
  } finally {
    await agent.close();
  }
  return objects;
}

/**
 * Writes `rounds` flows of each of `perWorkload` connections of every workload to others, in the order of time: five
 * minutes a round, from `fromMinute` on. Answers with the number of lines.
 */
export async function writeFlows(
  size: LargeCluster,
  file: string,
  { perWorkload, rounds, fromMinute }: { perWorkload: number; rounds: number; fromMinute: number },
): Promise<number> {
  const out = createWriteStream(file);
  for (let round = 0; round < rounds; round++) {
    const timeMs = startMs + (fromMinute + round * 5) * 60_000;
    for (let workload = 0; workload < size.workloads; workload++) {
      const lines = Array.from({ length: perWorkload }, (_, step) => flowLine(size, workload, step, timeMs));
      if (!out.write(`${lines.join('\n')}\n`)) await new Promise((resolve) => out.once('drain', resolve));
    }
  }
  out.end();
  await finished(out);
  return rounds * size.workloads * perWorkload;
}

function flowLine(size: LargeCluster, workload: number, step: number, timeMs: number): string {
  const server = (workload + (step + 1) * 7) % size.workloads;
  const replica = (timeMs / 60_000 + step) % size.podsPerWorkload;
  const flow: Flow = {
    timeMs,
    endMs: timeMs,
    client: peer(size, workload, replica),
    server: peer(size, server, replica),
    clientPort: 32_768 + ((timeMs / 60_000 + step * 131) % 28_000),
    port: step % 4 === 0 ? 9090 : 8080,
    addressed: undefined,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 1,
    bytes: 0,
    source: 'nanoseg',
    node: '',
  };
  return encodeFlow(flow);
}

function peer(size: LargeCluster, workload: number, replica: number): FlowPeer {
  return {
    ...unnamedPeer,
    ip: podAddress(size, workload, replica),
    namespace: namespaceOf(size, workload),
    pod: podName(workload, replica),
  };
}
