import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { bindRole, installForTest } from '../support/install-for-test.ts';
import { type KubeApi, kubeApiMissing, startKubeApi } from '../support/kube-api.ts';
import { createLargeCluster, type LargeCluster, podName, writeFlows } from '../support/large-cluster.ts';
import type { Answer, Question, Told } from '../support/measured-controller.ts';
import { recordPolicies } from '../support/object-recorder.ts';
import { type Bench, type Figure } from './measure.ts';

const size: LargeCluster = { workloads: 1_000, podsPerWorkload: 10, namespaces: 20, nodes: 20 };
const perWorkload = 100;
const approvalsGiven = 200;
const podChanges = 30;
const starts = 3;
const floods = 3;
const steadyRounds = 20;
const home = 'nanoseg-system';
const group = '/apis/nanoseg.io/v1alpha1';
/** Where policies are created to compare with; nothing runs in it. */
const bareNamespace = 'bare';

export const bench: Bench = {
  name: 'controller',
  title: `the controller on a real API server with ${(size.workloads * size.podsPerWorkload).toLocaleString('en-US')} pods of ${size.workloads.toLocaleString('en-US')} workloads and ${(size.workloads * perWorkload).toLocaleString('en-US')} connections`,
  async run() {
    const missing = kubeApiMissing();
    if (missing !== undefined) {
      process.stderr.write(`skipped: it needs ${missing}\n`);
      return [];
    }
    const api = await startKubeApi();
    const directory = await mkdtemp(join(tmpdir(), 'nanoseg-bench-'));
    try {
      return await measured(api, directory);
    } finally {
      await api.stop();
      await rm(directory, { recursive: true, force: true });
    }
  },
};

async function measured(api: KubeApi, directory: string): Promise<Figure[]> {
  const file = (name: string) => join(directory, name);
  await installForTest(api, { webhook: true });
  await bindRole(api, 'alice', 'nanoseg-approver');
  const beganMs = Date.now();
  const objects = await createLargeCluster(api, size);
  await api.createNamespace(bareNamespace);
  say(`${objects} objects created in ${seconds(Date.now() - beganMs)}`);
  await setMode(api, 'enforce');
  await mkdir(file('flows'));
  await writeFlows(size, file('flows/first.ndjson'), { perWorkload, rounds: 2, fromMinute: 0 });
  const flood = await writeFlows(size, file('flood'), { perWorkload, rounds: 2, fromMinute: 10 });
  const config = (refreshMs: number) => ({
    kubeconfig: api.kubeconfig('controller'),
    flows: [file('flows')],
    dataDirectory: file('data'),
    refreshMs,
    health: { port: 0, host: '127.0.0.1' },
    webhook: { port: 0, host: '127.0.0.1', url: 'https://127.0.0.1:0' },
  });
  const run = async (refreshMs: number) => {
    await writeFile(file('config.json'), JSON.stringify(config(refreshMs)));
    return Controller.start(file('config.json'));
  };

  const idle = monitorEventLoopDelay({ resolution: 5 });
  const bare = [];
  for (let i = 0; i < starts; i++) bare.push(await bareList(api));
  idle.enable();
  let controller = await run(10_000);
  const synced = [await controller.synced()];
  const afterStart = await controller.ask();
  await controller.round(({ caughtUp, ready }) => caughtUp && ready === size.workloads);
  const written = (Date.now() - controller.startedMs) / 1000;
  say(`every proposal is written after ${written.toFixed(1)} s`);
  const firstRound = await controller.ask();
  await controller.stop();
  for (let i = 1; i < starts; i++) {
    controller = await run(10_000);
    synced.push(await controller.synced());
    await controller.stop();
  }

  controller = await run(100);
  await controller.round(({ ready, number }) => number > 2 && ready === size.workloads);
  const before = await controller.ask();
  const cpu = [];
  let former = await controller.round(() => true);
  while (cpu.length < steadyRounds) {
    const next = await controller.round(() => true);
    cpu.push((next.cpuMs - former.cpuMs) / 1000);
    former = next;
  }
  const after = await controller.ask();

  await controller.stamping();
  const approvals = await approve(api, controller);
  const whileApproving = await controller.ask();
  const changes = await changePods(api, controller);
  const floodings = await flooded(api, controller, file, flood);
  const lost = controller.logs.filter(({ message }) => message === 'not leading any more').length;
  idle.disable();
  for (const [message, count] of counted(controller.logs.filter(({ level }) => level >= 40)))
    say(`${count} x ${message}`);
  await controller.stop();

  const mega = 2 ** 20;
  const listed = 'bare list of the same objects, process start to the last JSON.parse';
  const listedMemory = 'the same lists as parsed objects, memory of the process';
  const created = 'bare create of a policy by HTTP meanwhile, p50';
  const patched = 'bare change of a pod by HTTP meanwhile';
  const alone = 'flows ingested without the loop (mode observe)';
  const stoodStill = 'longest halt of the event loop of an idle process meanwhile';
  return [
    figure(
      listed,
      bare.map(({ seconds: s }) => s),
      's',
    ),
    figure('process start to synced', synced, 's', { baseline: listed }),
    figure('process start to every proposal written', [written], 's', { baseline: listed }),
    figure(
      `bytes of the lists`,
      bare.map(({ bytes }) => bytes / mega),
      'MB',
    ),
    figure(
      listedMemory,
      bare.map(({ rssBytes }) => rssBytes / mega),
      'MB',
    ),
    figure('memory of the controller when synced', [afterStart.rssBytes / mega], 'MB', { baseline: listedMemory }),
    figure('with all proposals and connections', [before.rssBytes / mega], 'MB', { baseline: listedMemory }),
    figure(`the live part of it`, [before.liveBytes / mega], 'MB'),
    figure(`the same ${steadyRounds} rounds later`, [after.liveBytes / mega], 'MB', {
      baseline: 'the live part of it',
      bar: { text: 'at most 5 % more', met: after.liveBytes <= before.liveBytes * 1.05 },
    }),
    figure('processor time of a round in which nothing changed', cpu, 's'),
    figure(created, approvals.bareMs, 'ms'),
    figure('approval to stored NetworkPolicy', approvals.ms, 'ms', { baseline: created }),
    figure('the same, p99', [quantile(approvals.ms, 0.99)], 'ms', {
      bar: { text: 'under 1 s', met: quantile(approvals.ms, 0.99) < 1000 },
    }),
    figure(patched, changes.bareMs, 'ms'),
    figure('change of a pod to a cluster that knows it', changes.ms, 'ms', { baseline: patched }),
    figure(alone, floodings.without, 'flows/s'),
    figure('with the loop, rounds all the time', floodings.with, 'flows/s', { baseline: alone }),
    figure('leases lost', [lost], '', { bar: { text: '0', met: lost === 0 } }),
    figure(stoodStill, [idle.max / 1e6], 'ms'),
    figure('of the controller: start', [afterStart.longestMs], 'ms', { baseline: stoodStill }),
    figure('making and writing every proposal', [firstRound.longestMs], 'ms', { baseline: stoodStill }),
    figure('the same, 99 of 100', [firstRound.p99Ms], 'ms'),
    figure('rounds without a change', [after.longestMs], 'ms', { baseline: stoodStill }),
    figure('approvals', [whileApproving.longestMs], 'ms', { baseline: stoodStill }),
    figure('the same, 99 of 100', [whileApproving.p99Ms], 'ms', {
      bar: { text: 'under 100 ms', met: whileApproving.p99Ms < 100 },
    }),
  ];
}

function figure(
  what: string,
  values: readonly number[],
  unit: string,
  { baseline, bar }: Partial<Pick<Figure, 'baseline' | 'bar'>> = {},
): Figure {
  return { what, values, unit, baseline, bar };
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length * share) - 1] ?? Number.NaN;
}

function counted(logs: readonly { readonly message: string }[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { message } of logs) {
    const words = message.replace(/ \{.*/, '');
    counts.set(words, (counts.get(words) ?? 0) + 1);
  }
  return counts;
}

function say(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

const support = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url));

async function bareList(api: KubeApi): Promise<{ seconds: number; bytes: number; rssBytes: number }> {
  const paths = [
    ...['namespaces', 'nodes', 'pods', 'services'].map((plural) => `/api/v1/${plural}`),
    '/apis/discovery.k8s.io/v1beta1/endpointslices',
    ...['deployments', 'replicasets', 'statefulsets', 'daemonsets'].map((plural) => `/apis/apps/v1/${plural}`),
  ];
  const startedMs = Date.now();
  const args = [api.server, api.caFile, api.tokenOf('admin'), ...paths];
  const child = fork(support('bare-list.ts'), args, { execArgv: ['--expose-gc'] });
  const [told] = (await once(child, 'message')) as [{ atMs: number; bytes: number; rssBytes: number }];
  await once(child, 'exit');
  return { ...told, seconds: (told.atMs - startedMs) / 1000 };
}

type ToldRound = Extract<Told, { kind: 'round' }>;

/** A controller in a process of its own. */
class Controller {
  readonly startedMs = Date.now();
  readonly logs: Extract<Told, { kind: 'log' }>[] = [];
  readonly rounds: ToldRound[] = [];
  readonly #child: ChildProcess;
  #told: (told: Told) => void = () => undefined;

  private constructor(config: string) {
    this.#child = fork(support('measured-controller.ts'), [config], {
      execArgv: ['--expose-gc', ...(process.env['NANOSEG_BENCH_NODE_ARGS']?.split(' ') ?? [])],
    });
    this.#child.on('message', (told: Told) => {
      if (told.kind === 'log') this.logs.push(told);
      if (told.kind === 'round') this.rounds.push(told);
      this.#told(told);
    });
    this.#child.on('exit', (code) => {
      if (code !== 0) throw new Error(`the controller ended with ${code}`);
    });
  }

  static start(config: string): Controller {
    return new Controller(config);
  }

  /** The first of what it tells from now on that this makes something of. */
  until<Found>(find: (told: Told) => Found | undefined): Promise<Found> {
    return new Promise((resolve) => {
      const former = this.#told;
      this.#told = (told) => {
        former(told);
        const found = find(told);
        if (found === undefined) return;
        this.#told = former;
        resolve(found);
      };
    });
  }

  round(holds: (round: ToldRound) => boolean): Promise<ToldRound> {
    return this.until((told) => (told.kind === 'round' && holds(told) ? told : undefined));
  }

  send(question: Question): void {
    this.#child.send(question);
  }

  ask(): Promise<Answer> {
    const answered = this.until((told) => (told.kind === 'answer' ? told.answer : undefined));
    this.send({ ask: 'figures' });
    return answered;
  }

  /** Seconds from the start of the process until it says that it is ready. */
  async synced(): Promise<number> {
    const port = await this.until((told) => (told.kind === 'port' ? told.port : undefined));
    while ((await fetch(`http://127.0.0.1:${port}/readyz`)).status !== 200) await sleep(10);
    return (Date.now() - this.startedMs) / 1000;
  }

  async stamping(): Promise<void> {
    while (!this.logs.some(({ message }) => message.startsWith('approvals are stamped'))) await sleep(50);
  }

  async stop(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

async function setMode(api: KubeApi, mode: 'observe' | 'enforce'): Promise<void> {
  const path = `${group}/namespaces/${home}/segmentationprofiles`;
  const learning = { window: '1s', coverage: 0, bins: 1, startUps: false };
  const body = {
    apiVersion: 'nanoseg.io/v1alpha1',
    kind: 'SegmentationProfile',
    metadata: { namespace: home, name: 'default' },
    spec: { mode, learning, closedNamespace: { propose: false } },
  };
  const query = 'fieldManager=bench&force=true';
  const { status, body: reply } = await api.request(
    'admin',
    'PATCH',
    `${path}/default?${query}`,
    body,
    'application/apply-patch+yaml',
  );
  if (status >= 300) throw new Error(JSON.stringify(reply));
}

interface Latencies {
  readonly ms: number[];
  readonly bareMs: number[];
}

/** One after the other, while rounds are running: an approval until its policy is stored, and a bare create. */
async function approve(api: KubeApi, controller: Controller): Promise<Latencies> {
  const proposals = await api.asAdmin.list<PolicyProposal>('PolicyProposal');
  const ms: number[] = [];
  const bareMs: number[] = [];
  const former = controller.rounds.length;
  const waiting = new Map<string, (atMs: number) => void>();
  const recorder = await recordPolicies({ teardown: () => undefined }, api, ({ object: { metadata }, atMs }) =>
    waiting.get(`${metadata.namespace}/${metadata.name}`)?.(atMs),
  );
  for (const { metadata, spec, status } of proposals.slice(0, approvalsGiven)) {
    const { namespace, name } = metadata;
    const policies = `/apis/networking.k8s.io/v1/namespaces/${namespace}/networkpolicies`;
    const policyName = /^ {2}name: (\S+)$/m.exec(spec.policies)?.[1] ?? '';
    const approval = {
      apiVersion: 'nanoseg.io/v1alpha1',
      kind: 'PolicyApproval',
      metadata: { name },
      spec: { proposal: name, digest: status?.digest, decision: 'Approve' },
    };
    const isStored = Promise.withResolvers<number>();
    waiting.set(`${namespace}/${policyName}`, isStored.resolve);
    const startMs = Date.now();
    const reply = await api.request('alice', 'POST', `${group}/namespaces/${namespace}/policyapprovals`, approval);
    if (reply.status !== 201) throw new Error(JSON.stringify(reply.body));
    ms.push((await isStored.promise) - startMs);
    const stored = await api.request('admin', 'GET', `${policies}/${policyName}`);
    const bareStartMs = performance.now();
    const path = `/apis/networking.k8s.io/v1/namespaces/${bareNamespace}/networkpolicies`;
    // one of nanoseg's, or everything would have to be proved anew with it
    const labels = { 'app.kubernetes.io/managed-by': 'nanoseg' };
    const policy = { metadata: { name: `${namespace}-${policyName}`, labels }, spec: stored.body.spec };
    const created = await api.request('admin', 'POST', path, policy);
    if (created.status !== 201) throw new Error(JSON.stringify(created.body));
    bareMs.push(performance.now() - bareStartMs);
    await sleep(Math.random() * 50);
  }
  await recorder.close();
  const figures = [0.5, 0.99, 1].map((share) => Math.round(quantile(ms, share))).join(', ');
  say(`${ms.length} approvals in ${controller.rounds.length - former} rounds: p50, p99, max ${figures} ms`);
  return { ms, bareMs };
}

async function changePods(api: KubeApi, controller: Controller): Promise<Latencies> {
  const ms: number[] = [];
  const bareMs: number[] = [];
  for (let i = 0; i < podChanges; i++) {
    const workload = (i * 31) % size.workloads;
    const name = podName(workload, size.podsPerWorkload - 1);
    const ip = `10.200.0.${i + 1}`;
    const seen = controller.until((told) => (told.kind === 'pod' ? told.atMs : undefined));
    controller.send({ ask: 'watch-pod', name, ip });
    await sleep(20);
    const startMs = Date.now();
    const path = `/api/v1/namespaces/team-${workload % size.namespaces}/pods/${name}/status`;
    const patch = { status: { podIP: ip, podIPs: [{ ip }] } };
    const reply = await api.request('admin', 'PATCH', path, patch, 'application/merge-patch+json');
    if (reply.status !== 200) throw new Error(JSON.stringify(reply.body));
    bareMs.push(Date.now() - startMs);
    ms.push((await seen) - startMs);
  }
  return { ms, bareMs };
}

/** The same flows at full speed, in turn without and with the loop. */
async function flooded(
  api: KubeApi,
  controller: Controller,
  file: (name: string) => string,
  records: number,
): Promise<{ with: number[]; without: number[] }> {
  const rates = { with: [] as number[], without: [] as number[] };
  for (let i = 0; i < floods; i++) {
    for (const kind of ['without', 'with'] as const) {
      await setMode(api, kind === 'with' ? 'enforce' : 'observe');
      await controller.round(() => true);
      await controller.round(() => true);
      let first: Extract<Told, { kind: 'records' }> | undefined;
      const all = controller.until((told) => {
        if (told.kind !== 'records') return undefined;
        first ??= told;
        return told.records >= first.records + records * 0.95 ? { from: first, to: told } : undefined;
      });
      await copyFile(file('flood'), file(`flows/flood-${i}-${kind}.ndjson`));
      const { from, to } = await all;
      rates[kind].push(((to.records - from.records) / (to.atMs - from.atMs)) * 1000);
      await controller.round(() => true);
    }
  }
  return rates;
}
