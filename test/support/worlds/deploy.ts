import type { Labels } from '../../../controller/model/label-selector.ts';
import type { PlannedWorkload, WorldPlan } from './plan.ts';
import { type Random, randomOf } from './random.ts';

export interface WorldNode {
  readonly name: string;
  readonly ips: readonly string[];
  readonly podCidrs: readonly string[];
  readonly controlPlane: boolean;
}

/** One pod from its start to its end, with the address that it had in between. */
export interface PodLife {
  readonly workload: PlannedWorkload;
  readonly name: string;
  readonly uid: string;
  readonly labels: Labels;
  readonly node: WorldNode;
  readonly ips: readonly string[];
  readonly startMs: number;
  /** When it finished or was deleted; undefined: still running when the inventory is taken. */
  readonly endMs: number | undefined;
  /** Finished pods stay in the inventory with their address, deleted ones are gone from it. */
  readonly fate: 'running' | 'finished' | 'deleted';
  /** The ReplicaSet or Job in between; undefined where the workload owns its pods itself. */
  readonly owner: { readonly kind: 'ReplicaSet' | 'Job'; readonly name: string; readonly uid: string } | undefined;
}

/** A plan put on nodes: who had which address when. */
export interface Deployed {
  readonly plan: WorldPlan;
  readonly nodes: readonly WorldNode[];
  readonly lives: readonly PodLife[];
  readonly startMs: number;
  readonly endMs: number;
}

export interface DeployOptions {
  readonly seed: number;
  readonly startMs: number;
  /** When the inventory is taken. */
  readonly endMs: number;
  /** Factor on the replicas of what can be scaled. */
  readonly scale: number;
}

const minuteMs = 60_000;
const nameLetters = 'bcdfghjklmnpqrstvwxz2456789';

type Life = Omit<PodLife, 'ips' | 'node'>;

/** Starts every pod of the plan, replaces some in the middle of the window, and hands out addresses as a node does. */
export function deploy(plan: WorldPlan, options: DeployOptions): Deployed {
  const random = randomOf(options.seed).fork('deploy');
  const nodes = nodesOf(plan);
  const lives = plan.workloads.flatMap((one) => livesOf(random.fork(one.key), one, plan, options, nodes.length - 1));
  return {
    plan,
    nodes,
    lives: withAddresses(random, lives, nodes),
    startMs: options.startMs,
    endMs: options.endMs,
  };
}

function nodesOf({ workers, traits }: WorldPlan): WorldNode[] {
  return Array.from({ length: workers + 1 }, (_, i) => ({
    name: i === 0 ? 'control-plane' : `worker-${i}`,
    ips: [`172.18.0.${10 + i}`, ...(traits.dualStack ? [`fd00:172::${(16 + i).toString(16)}`] : [])],
    podCidrs: [`10.244.${i}.0/24`, ...(traits.dualStack ? [`fd00:10:244:${i.toString(16)}::/64`] : [])],
    controlPlane: i === 0,
  }));
}

function livesOf(
  random: Random,
  one: PlannedWorkload,
  plan: WorldPlan,
  { startMs, endMs, scale }: DeployOptions,
  workers: number,
): Life[] {
  switch (one.kind) {
    case 'CronJob':
      return cronLives(random, one, plan, startMs, endMs);
    case 'Job':
      return [jobLife(random, one, one.name, startMs + random.int(10, 120) * minuteMs, endMs, random.chance(0.7))];
    case 'Pod':
      return [lifeOf(random, one, one.name, {}, startMs, undefined, 'running', undefined)];
    case 'DaemonSet':
    case 'Deployment':
    case 'Rollout':
    case 'StatefulSet': {
      const count = one.kind === 'DaemonSet' ? workers : Math.ceil(one.replicas * scale);
      const handOver = startMs + Math.floor((endMs - startMs) * (0.2 + 0.2 * random.next()));
      if (!plan.traits.redeploys || !random.chance(0.6)) {
        return serving(random, one, count, startMs - random.int(1, 600) * minuteMs, undefined);
      }
      return [
        ...serving(random, one, one.kind === 'DaemonSet' ? workers : one.replicas, startMs - minuteMs, handOver),
        ...serving(random, one, count, handOver + 2 * minuteMs, undefined),
      ];
    }
  }
}

/** One rollout of a workload that keeps running: its pods share a hash and differ in what their owner generates. */
function serving(
  random: Random,
  one: PlannedWorkload,
  count: number,
  startMs: number,
  endMs: number | undefined,
): Life[] {
  const hash = word(random, 10);
  const replicaSet = { kind: 'ReplicaSet', name: `${one.name}-${hash}`, uid: uid(random) } as const;
  return Array.from({ length: count }, (_, i) => {
    const fate = endMs === undefined ? 'running' : 'deleted';
    const born = startMs + i * 3_000;
    switch (one.kind) {
      case 'StatefulSet': {
        const name = `${one.name}-${i}`;
        const generated = {
          'controller-revision-hash': `${one.name}-${hash}`,
          'statefulset.kubernetes.io/pod-name': name,
          'apps.kubernetes.io/pod-index': `${i}`,
        };
        return lifeOf(random, one, name, generated, born, endMs, fate, undefined);
      }
      case 'DaemonSet': {
        const generated = { 'controller-revision-hash': hash, 'pod-template-generation': `${random.int(1, 9)}` };
        return lifeOf(random, one, `${one.name}-${word(random, 5)}`, generated, born, endMs, fate, undefined);
      }
      case 'Rollout': {
        const generated = { 'rollouts-pod-template-hash': hash };
        return lifeOf(random, one, `${replicaSet.name}-${word(random, 5)}`, generated, born, endMs, fate, replicaSet);
      }
      case 'Deployment':
      case 'CronJob':
      case 'Job':
      case 'Pod': {
        const generated = { 'pod-template-hash': hash };
        return lifeOf(random, one, `${replicaSet.name}-${word(random, 5)}`, generated, born, endMs, fate, replicaSet);
      }
    }
  });
}

function cronLives(random: Random, one: PlannedWorkload, plan: WorldPlan, startMs: number, endMs: number): Life[] {
  const times = (one.schedule?.runs ?? [])
    .map((minute) => startMs + minute * minuteMs)
    .filter((time) => time < endMs - 30 * minuteMs && plan.days > 0);
  if (times.length === 0) times.push(endMs - 40 * minuteMs);
  return times.map((time, i) => {
    const name = `${one.name}-${29_000_000 + (Math.floor(time / minuteMs) % 1_000_000)}`;
    return { ...jobLife(random, one, name, time, endMs, true), fate: i < times.length - 3 ? 'deleted' : 'finished' };
  });
}

function jobLife(
  random: Random,
  one: PlannedWorkload,
  jobName: string,
  startMs: number,
  endMs: number,
  finishes: boolean,
): Life {
  const job = { kind: 'Job', name: jobName, uid: uid(random) } as const;
  const generated = {
    'job-name': job.name,
    'controller-uid': job.uid,
    'batch.kubernetes.io/job-name': job.name,
    'batch.kubernetes.io/controller-uid': job.uid,
  };
  const finished = startMs + random.int(5, 20) * minuteMs;
  const done = finishes && finished < endMs;
  const name = `${job.name}-${word(random, 5)}`;
  return lifeOf(random, one, name, generated, startMs, done ? finished : undefined, done ? 'finished' : 'running', job);
}

function lifeOf(
  random: Random,
  workload: PlannedWorkload,
  name: string,
  generated: Labels,
  startMs: number,
  endMs: number | undefined,
  fate: PodLife['fate'],
  owner: PodLife['owner'],
): Life {
  const labels = { ...workload.templateLabels, ...generated };
  return { workload, name, uid: uid(random), labels, startMs, endMs, fate, owner };
}

/** Addresses in order of time; what a finished or deleted pod had goes, more often than not, to the next one. */
function withAddresses(random: Random, lives: readonly Life[], nodes: readonly WorldNode[]): PodLife[] {
  const workers = nodes.slice(1);
  const first = random.int(2, 40);
  const state = workers.map(() => ({ next: first, freed: [] as { host: number; atMs: number }[] }));
  const daemons = new Map<string, number>();
  return [...lives]
    .sort((a, b) => a.startMs - b.startMs || (a.name < b.name ? -1 : 1))
    .map((life) => {
      const turn = daemons.get(life.workload.key) ?? 0;
      daemons.set(life.workload.key, turn + 1);
      const at = life.workload.kind === 'DaemonSet' ? turn % workers.length : random.int(0, workers.length - 1);
      const node = workers[at] as WorldNode;
      if (life.workload.hostNetwork) return { ...life, node, ips: node.ips };
      const pool = state[at] as (typeof state)[number];
      const reusable = pool.freed.findIndex(({ atMs }) => atMs + minuteMs <= life.startMs);
      const reused = reusable >= 0 && (pool.next > 200 || random.chance(0.7));
      const host = reused ? (pool.freed.splice(reusable, 1)[0]?.host as number) : pool.next++;
      if (host > 254) throw new RangeError(`${node.name} has no pod address left: give the world more workers`);
      if (life.endMs !== undefined) pool.freed.push({ host, atMs: life.endMs });
      return { ...life, node, ips: node.podCidrs.map((cidr) => addressIn(cidr, host)) };
    });
}

function addressIn(cidr: string, host: number): string {
  const base = cidr.slice(0, cidr.indexOf('/'));
  return base.includes(':') ? `${base}${host.toString(16)}` : base.replace(/0$/, `${host}`);
}

/** Letters and digits as Kubernetes uses them in generated names. */
function word(random: Random, length: number): string {
  return Array.from({ length }, () => nameLetters.charAt(random.int(0, nameLetters.length - 1))).join('');
}

function uid(random: Random): string {
  const hex = (length: number) => Array.from({ length }, () => random.int(0, 15).toString(16)).join('');
  return `${hex(8)}-${hex(4)}-4${hex(3)}-8${hex(3)}-${hex(12)}`;
}
