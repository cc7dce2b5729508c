import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { GraphTelling } from '../../controller/serving/graph-telling.ts';
import { LiveIngest } from '../../controller/intake/live-ingest.ts';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import type { Cluster } from '../../controller/model/cluster.ts';
import { type Flow, unnamedPeer } from '../../controller/model/flow.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { FlowBatch, FlowSource } from '../../controller/ports.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { buildCluster } from '../support/build-cluster.ts';
import { type ServedGraph, serveGraph } from '../support/served-graph.ts';
import { StaticView } from '../support/static-view.ts';
import type { Got, Question } from './http-client.ts';
import { type Bench, type Figure, spread } from './measure.ts';

const workloads = 10_000;
const connections = 100_000;
const namespaces = 100;
const clients = 200;
const rounds = 9;
const batchFlows = 2_000;
/** Short ones, and many: what else the machine does comes and goes more slowly. */
const listenRounds = 24;
const listenMs = 1_500;
/** Connections that are seen again and again while listeners are told of each: more at once are not listed. */
const listedConnections = 300;
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
  /** What it delivers, in turn; none: nothing. */
  batchesNow: readonly (readonly Flow[])[] = [];

  async *batches(signal: AbortSignal): AsyncIterable<FlowBatch> {
    for (let i = 0; !signal.aborted; i++) {
      while (this.batchesNow.length === 0 && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
      const flows = this.batchesNow[i % this.batchesNow.length] ?? [];
      this.flows += flows.length;
      yield { flows, losses: [], rejected: [], records: flows.length, skipped: 0 };
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  progress() {
    return { doneBytes: 0, totalBytes: undefined };
  }
}

function batched(all: readonly Flow[]): (readonly Flow[])[] {
  return Array.from({ length: Math.ceil(all.length / batchFlows) }, (_, i) =>
    all.slice(i * batchFlows, (i + 1) * batchFlows),
  );
}

/** Asks from another process, so that reading the answers takes nothing from the server but a core of the machine. */
class Client {
  readonly #child: ChildProcess;

  constructor(port: number) {
    this.#child = fork(new URL('http-client.ts', import.meta.url), [`${port}`], { execArgv: [] });
  }

  async ask<Answer>(question: Question): Promise<Answer> {
    const answer = once(this.#child, 'message');
    this.#child.send(question);
    const [message] = await answer;
    return message as Answer;
  }

  async close(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

export const bench: Bench = {
  name: 'http',
  title: `the HTTP API on ${workloads.toLocaleString('en-US')} workloads and ${connections.toLocaleString('en-US')} connections, asked from another process; ${clients} listeners`,
  async run() {
    const view = new StaticView(cluster());
    const graph = new TrafficGraph({ binMs: 300_000 });
    const ingest = new LiveIngest({ view, graph, clock: systemClock });
    const tap = new Tap();
    const stop = new AbortController();
    const running = ingest.run([tap], stop.signal);
    const all = Array.from({ length: connections * 2 }, (_, n) => flow(n));
    tap.batchesNow = batched(all);
    while (tap.flows < connections * 3) await new Promise((resolve) => setTimeout(resolve, 50));
    tap.batchesNow = [];
    if (graph.size !== connections) throw new Error(`${graph.size} connections instead of ${connections}`);
    const served = await serveGraph(graph, view, { limits: { requests: { burst: 1e6, perSecond: 1e6 } } });
    const judgedFrom = performance.now();
    await served.judgeAll();
    say(`every connection is judged after ${Math.round(performance.now() - judgedFrom)} ms`);
    const client = new Client(served.port);
    try {
      const few = batched(Array.from({ length: batchFlows * 10 }, (_, i) => all[i % listedConnections] as Flow));
      return [
        ...(await answers(graph, tap, all, client)),
        ...(await listeners(served, tap, few, `${listedConnections} connections seen`, client)),
        ...(await listeners(served, tap, batched(all), 'all connections seen', client)),
      ];
    } finally {
      stop.abort();
      await running;
      await client.close();
      await served.close();
    }
  },
};

async function answers(graph: TrafficGraph, tap: Tap, all: readonly Flow[], client: Client): Promise<Figure[]> {
  const bare: number[] = [];
  const times = new Map<string, Got[]>();
  const [changed] = all;
  const asked = [
    ['every workload, zstd', 'level=workload', 'zstd'],
    ['every workload, brotli', 'level=workload', 'br'],
    ['every workload, gzip', 'level=workload', 'gzip'],
    ['namespaces, gzip', 'level=namespace', 'gzip'],
    ['one namespace, gzip', 'level=workload&namespace=team-7', 'gzip'],
  ] as const;
  let nth = 0;
  const fetched = async (query: string, encoding: string) => {
    const before = graph.revision;
    tap.batchesNow = [[changed as Flow]];
    while (graph.revision === before) await new Promise((resolve) => setTimeout(resolve, 1));
    tap.batchesNow = [];
    await new Promise((resolve) => setTimeout(resolve, 50));
    // nobody asked this before, so that the answer is no other one that is a second old: there is no such namespace
    const path = `/api/v1/graph?${query}&expand=none-${nth++}`;
    const got = await client.ask<Got>({ kind: 'get', path, encoding });
    if (got.status !== 200) throw new Error(`${path}: ${got.status}`);
    if (query === 'level=workload' && got.edges !== connections) throw new Error(`${path}: ${got.edges} edges`);
    return got;
  };
  const first = await fetched('level=workload', 'zstd');
  for (let round = 0; round <= rounds; round++) {
    globalThis.gc?.();
    const start = performance.now();
    const edges = [];
    for (let row = 0; row < graph.size; row++) {
      const { from, to, port, allowed, lastMs } = graph.summaryAt(row);
      edges.push({ source: name(from), target: name(to), port, allowed, lastSeen: new Date(lastMs).toISOString() });
    }
    JSON.stringify(edges);
    if (round > 0) bare.push(performance.now() - start);
    for (let i = 0; i < asked.length; i++) {
      const [what, query, encoding] = asked[(i + round) % asked.length] as (typeof asked)[number];
      const got = await fetched(query, encoding);
      if (round > 0) times.set(what, [...(times.get(what) ?? []), got]);
    }
  }
  const again = [];
  for (let i = 0; i < rounds; i++) {
    const path = '/api/v1/graph?level=workload';
    again.push((await client.ask<Got>({ kind: 'get', path, encoding: 'gzip' })).ms);
  }
  const baseline = 'a bare array of the connections by JSON.stringify, in the process';
  const figures: Figure[] = [{ what: baseline, values: bare, unit: 'ms', baseline: undefined, bar: undefined }];
  const figure = (what: string, values: readonly number[], bar?: Figure['bar']) =>
    figures.push({ what, values, unit: 'ms', baseline, bar });
  for (const [what] of asked) {
    const all = times.get(what) ?? [];
    const values = all.map(({ ms }) => ms);
    const bar = what.startsWith('every') ? { text: 'below 300 ms', met: spread(values).median < 300 } : undefined;
    figure(`${what}: ${((all[0]?.bytes ?? 0) / 1024).toFixed(0)} kB`, values, bar);
  }
  figure('every workload, zstd, the first answer of the process', [first.ms]);
  figure('every workload, gzip, asked again', again.slice(1));
  return figures;
}

/**
 * Ingest with and without listeners, in turn. Clients read on another core; where that is not free, or no core of its own, flows a second
 * say what they take from the server as well, which is why the bar is on flows for each second that the server's thread was at work.
 */
async function listeners(
  served: ServedGraph,
  tap: Tap,
  batches: readonly (readonly Flow[])[],
  title: string,
  client: Client,
): Promise<Figure[]> {
  const telling = new GraphTelling({ live: () => served.live, streams: served.server.streams, clock: systemClock });
  let tellingMs = 0;
  const timer = setInterval(() => {
    const before = process.threadCpuUsage();
    telling.tell(served.ring);
    const { user, system } = process.threadCpuUsage(before);
    tellingMs += (user + system) / 1_000;
  }, 500);
  const alone: Rate[] = [];
  const beside: Rate[] = [];
  const shares: number[] = [];
  const events: number[] = [];
  const kilobytes: number[] = [];
  try {
    for (let round = 0; round <= listenRounds; round++) {
      for (const many of round % 2 === 0 ? [0, clients] : [clients, 0]) {
        await client.ask({ kind: 'listen', clients: many });
        tellingMs = 0;
        const rate = await ingested(tap, batches);
        const share = tellingMs / rate.cpuSeconds / 10;
        const heard = await client.ask<{ readonly events: number; readonly bytes: number }>({ kind: 'heard' });
        if (round === 0) continue;
        (many === 0 ? alone : beside).push(rate);
        if (many === 0) continue;
        shares.push(share);
        events.push(heard.events / many / rate.seconds);
        kilobytes.push(heard.bytes / many / rate.seconds / 1024);
      }
    }
  } finally {
    clearInterval(timer);
    await client.ask({ kind: 'listen', clients: 0 });
  }
  if (spread(events).median < 0.5) throw new Error('listeners heard less than one event in two seconds');
  const plain = (what: string, values: readonly number[], unit: string): Figure => ({
    what: `${title}: ${what}`,
    values,
    unit,
    baseline: undefined,
    bar: undefined,
  });
  const ratios = (of: (rate: Rate) => number) => beside.map((rate, i) => of(rate) / of(alone[i] as Rate));
  const perSecond = ({ flows, seconds }: Rate) => flows / seconds / 1_000;
  const perWork = ratios(({ flows, cpuSeconds }) => flows / cpuSeconds);
  const met = spread(perWork).median >= 0.9;
  return [
    plain('nobody listens', alone.map(perSecond), 'k flows/s'),
    plain(`${clients} listen`, beside.map(perSecond), 'k flows/s'),
    plain('ratio of neighbouring rounds', ratios(perSecond), 'x'),
    {
      ...plain("the same for each second of the server thread's work", perWork, 'x'),
      bar: { text: 'at most 10 percent slower', met },
    },
    plain("telling them, of the server thread's work", shares, '%'),
    plain('events that each listener hears', events, '/s'),
    plain('what they come to', kilobytes, 'kB/s'),
  ];
}

interface Rate {
  readonly flows: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

async function ingested(tap: Tap, batches: readonly (readonly Flow[])[]): Promise<Rate> {
  tap.batchesNow = batches;
  const [start, flows, cpu] = [performance.now(), tap.flows, process.threadCpuUsage()];
  await new Promise((resolve) => setTimeout(resolve, listenMs));
  const { user, system } = process.threadCpuUsage(cpu);
  const seconds = (performance.now() - start) / 1000;
  tap.batchesNow = [];
  return { flows: tap.flows - flows, seconds, cpuSeconds: (user + system) / 1e6 };
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}
