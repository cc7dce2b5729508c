import { get } from 'node:http';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { LiveIngest } from '../../controller/live-ingest.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import { type Flow, unnamedPeer } from '../../controller/model/flow.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { FlowBatch, FlowSource } from '../../controller/ports.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { type ServedGraph, serveGraph } from '../support/served-graph.ts';
import { StaticView } from '../support/static-view.ts';
import { type Bench, type Figure, spread } from './measure.ts';

const workloads = 10_000;
const connections = 100_000;
const namespaces = 100;
const clients = 200;
const rounds = 9;
const batchFlows = 2_000;
const roundMs = 2_000;
const startMs = Date.UTC(2026, 0, 5);

const name = (i: number) => `service-${i.toString().padStart(5, '0')}`;
const namespace = (i: number) => `team-${i % namespaces}`;
const address = (i: number) => `10.244.${i >> 8}.${i & 255}`;

/** Half of the workloads have a policy in force, which lets in who was seen. */
function cluster(): Cluster {
  const policies = Array.from({ length: workloads / 2 }, (_, i): NetworkPolicy => {
    const server = i * 2;
    return {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: `for-${name(server)}`, namespace: namespace(server) },
      spec: {
        podSelector: { matchLabels: { app: name(server) } },
        policyTypes: ['Ingress'],
        ingress: [
          {
            from: Array.from({ length: 8 }, (_, n) => ({
              namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace(clientOf(server, n)) } },
              podSelector: { matchLabels: { app: name(clientOf(server, n)) } },
            })),
            ports: [{ protocol: 'TCP', port: 8080 }],
          },
        ],
      },
    };
  });
  return buildCluster(
    Array.from({ length: workloads }, (_, i) => ({
      namespace: namespace(i),
      name: name(i),
      labels: { app: name(i) },
      pods: [{ name: `${name(i)}-0`, ips: [address(i)], node: `node-${i % 200}`, startMs: 0 }],
    })),
    { policies },
  );
}

function clientOf(server: number, n: number): number {
  return (server + workloads - 1 - n * 37) % workloads;
}

function flow(n: number): Flow {
  const server = n % workloads;
  const client = clientOf(server, Math.floor(n / workloads) % (connections / workloads));
  const timeMs = startMs + (n % 97) * 293_000;
  return {
    timeMs,
    endMs: timeMs,
    client: { ...unnamedPeer, ip: address(client) },
    server: { ...unnamedPeer, ip: address(server) },
    clientPort: 32_768 + (n % 28_000),
    port: 8080,
    addressed: undefined,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 1,
    bytes: 0,
    node: '',
    source: 'nanoseg',
  };
}

/** Delivers batches as long as it is told to, so that everybody else gets a turn in between. */
class Tap implements FlowSource {
  readonly name = 'tap';
  flows = 0;
  open = true;
  readonly #batches: readonly (readonly Flow[])[];

  constructor(all: readonly Flow[]) {
    this.#batches = Array.from({ length: Math.ceil(all.length / batchFlows) }, (_, i) =>
      all.slice(i * batchFlows, (i + 1) * batchFlows),
    );
  }

  async *batches(signal: AbortSignal): AsyncIterable<FlowBatch> {
    for (let i = 0; !signal.aborted; i++) {
      while (!this.open && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
      const flows = this.#batches[i % this.#batches.length] as readonly Flow[];
      this.flows += flows.length;
      yield { flows, losses: [], rejected: [], records: flows.length, skipped: 0 };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  progress() {
    return { doneBytes: 0, totalBytes: undefined };
  }
}

/** Asks from another thread, so that reading the answer takes nothing from the server. */
class Client {
  readonly #worker: Worker;

  constructor(port: number) {
    this.#worker = new Worker(new URL(import.meta.url), { workerData: { port } });
  }

  async ask<Answer>(question: Question): Promise<Answer> {
    const answer = new Promise<Answer>((resolve) => void this.#worker.once('message', resolve));
    this.#worker.postMessage(question);
    return answer;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

type Question =
  | { readonly kind: 'get'; readonly path: string; readonly encoding: string }
  | { readonly kind: 'listen'; readonly clients: number }
  | { readonly kind: 'heard' };

interface Got {
  readonly ms: number;
  readonly bytes: number;
  readonly status: number;
}

export const bench: Bench = {
  name: 'http',
  title: `the HTTP API on ${workloads.toLocaleString('en-US')} workloads and ${connections.toLocaleString('en-US')} connections, asked from another thread; ${clients} listeners`,
  async run() {
    const view = new StaticView(cluster());
    const graph = new TrafficGraph({ binMs: 300_000 });
    const ingest = new LiveIngest({ view, graph, clock: systemClock });
    const tap = new Tap(Array.from({ length: connections * 2 }, (_, n) => flow(n)));
    const stop = new AbortController();
    const running = ingest.run([tap], stop.signal);
    while (tap.flows < connections * 3) await new Promise((resolve) => setTimeout(resolve, 50));
    tap.open = false;
    if (graph.size !== connections) throw new Error(`${graph.size} connections instead of ${connections}`);
    const served = await serveGraph(graph, view, { limits: { requests: { burst: 1e6, perSecond: 1e6 } } });
    const judgedFrom = performance.now();
    await served.judgeAll();
    say(`every connection is judged after ${Math.round(performance.now() - judgedFrom)} ms`);
    const client = new Client(served.port);
    try {
      return [...(await answers(graph, client)), ...(await listeners(served, tap, client))];
    } finally {
      stop.abort();
      await running;
      await client.close();
      await served.close();
    }
  },
};

async function answers(graph: TrafficGraph, client: Client): Promise<Figure[]> {
  const figures: Figure[] = [];
  const bare = [];
  const times = new Map<string, number[]>();
  const sizes = new Map<string, number>();
  let nth = 0;
  const asked = [
    ['every workload, zstd', 'level=workload', 'zstd'],
    ['every workload, brotli', 'level=workload', 'br'],
    ['every workload, gzip', 'level=workload', 'gzip'],
    ['namespaces, gzip', 'level=namespace', 'gzip'],
    ['one namespace, gzip', 'level=workload&namespace=team-7', 'gzip'],
  ] as const;
  for (let round = 0; round <= rounds; round++) {
    for (const [what, query, encoding] of asked) {
      // another question each time, so that no answer is one that was made before
      const path = `/api/v1/graph?${query}&since=${new Date(round * 1000 + nth++).toISOString()}`;
      globalThis.gc?.();
      const { ms, bytes, status } = await client.ask<Got>({ kind: 'get', path, encoding });
      if (status !== 200) throw new Error(`${path}: ${status}`);
      if (round > 0) times.set(what, [...(times.get(what) ?? []), ms]);
      sizes.set(what, bytes);
    }
    const start = performance.now();
    const edges = [];
    for (let row = 0; row < graph.size; row++) {
      const { from, to, port, allowed, lastMs } = graph.summaryAt(row);
      edges.push({ source: name(from), target: name(to), port, allowed, lastSeen: new Date(lastMs).toISOString() });
    }
    JSON.stringify(edges);
    if (round > 0) bare.push(performance.now() - start);
  }
  const again = [];
  for (let i = 0; i < rounds; i++) {
    const path = '/api/v1/graph?level=workload';
    again.push((await client.ask<Got>({ kind: 'get', path, encoding: 'gzip' })).ms);
  }
  const baseline = 'a bare array of the connections by JSON.stringify, in the process';
  figures.push({ what: baseline, values: bare, unit: 'ms', baseline: undefined, bar: undefined });
  for (const [what, values] of times) {
    const met = spread(values).median < 300;
    const size = `${((sizes.get(what) ?? 0) / 1024).toFixed(0)} kB`;
    const bar = what.startsWith('every') ? { text: 'below 300 ms', met } : undefined;
    figures.push({ what: `${what}: ${size}`, values, unit: 'ms', baseline, bar });
  }
  const what = 'every workload, asked again, gzip';
  figures.push({ what, values: again.slice(1), unit: 'ms', baseline, bar: undefined });
  return figures;
}

/** Ingest with and without listeners, in turn. */
async function listeners(served: ServedGraph, tap: Tap, client: Client): Promise<Figure[]> {
  const telling = setInterval(() => served.tell(), 500);
  const alone: number[] = [];
  const beside: number[] = [];
  let heard = 0;
  try {
    for (let round = 0; round <= rounds; round++) {
      for (const many of round % 2 === 0 ? [0, clients] : [clients, 0]) {
        await client.ask({ kind: 'listen', clients: many });
        const rate = await ingested(tap);
        const said = await client.ask<number>({ kind: 'heard' });
        if (many > 0) heard += said;
        if (round > 0) (many === 0 ? alone : beside).push(rate);
      }
    }
  } finally {
    clearInterval(telling);
    await client.ask({ kind: 'listen', clients: 0 });
  }
  if (heard === 0) throw new Error('nobody heard anything');
  const baseline = 'flows ingested, nobody listens';
  const ratio = spread(beside).median / spread(alone).median;
  return [
    { what: baseline, values: alone, unit: 'k flows/s', baseline: undefined, bar: undefined },
    {
      what: `flows ingested, ${clients} listen`,
      values: beside,
      unit: 'k flows/s',
      baseline,
      bar: { text: 'at most 10 percent slower', met: ratio >= 0.9 },
    },
  ];
}

async function ingested(tap: Tap): Promise<number> {
  tap.open = true;
  const [start, flows] = [performance.now(), tap.flows];
  await new Promise((resolve) => setTimeout(resolve, roundMs));
  const rate = (tap.flows - flows) / (performance.now() - start);
  tap.open = false;
  return rate;
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

if (!isMainThread) {
  const { port } = workerData as { readonly port: number };
  let bytes = 0;
  let open: ReturnType<typeof get>[] = [];
  const fetched = (path: string, encoding: string) =>
    new Promise<Got>((resolve, reject) => {
      const start = performance.now();
      let size = 0;
      get({ host: '127.0.0.1', port, path, headers: { 'accept-encoding': encoding } }, (response) => {
        response.on('data', (part: Buffer) => (size += part.length));
        response.on('end', () =>
          resolve({ ms: performance.now() - start, bytes: size, status: response.statusCode ?? 0 }),
        );
      }).on('error', reject);
    });
  const listening = () =>
    new Promise<ReturnType<typeof get>>((resolve, reject) => {
      const request = get({ host: '127.0.0.1', port, path: '/api/v1/events' }, (response) => {
        response.on('data', (part: Buffer) => (bytes += part.length)).on('error', () => undefined);
        resolve(request);
      }).on('error', reject);
    });
  parentPort?.on('message', (question: Question) => {
    void (async () => {
      switch (question.kind) {
        case 'get':
          parentPort?.postMessage(await fetched(question.path, question.encoding));
          break;
        case 'listen':
          for (const request of open) request.destroy();
          open = await Promise.all(Array.from({ length: question.clients }, listening));
          bytes = 0;
          parentPort?.postMessage(open.length);
          break;
        case 'heard':
          parentPort?.postMessage(bytes);
          break;
      }
    })();
  });
}
