import { isEvidence } from '../../controller/model/connection.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import type { WorkloadKey } from '../../controller/model/workload.ts';
import { prepareLearning, readinessOf } from '../../controller/learning/readiness.ts';
import { asOf, observe, type TrafficForm, worldProfile } from '../support/worlds/observe.ts';
import { proposeFrom, type Proposed } from '../support/worlds/propose.ts';
import { lint, portsToAsk, strangersToAsk } from '../support/worlds/questions.ts';
import type { Site, TrafficEvent } from '../support/worlds/traffic.ts';
import { isDnsAllowance, Verdicts } from '../support/worlds/verdicts.ts';
import { generateWorld, rollOut, type World } from '../support/worlds/world.ts';
import type { Bench, Figure } from './measure.ts';

const worlds = 24;
const size = { workloads: 20, namespaces: 4, days: 5, workers: 6, perDay: 48, probesPerDay: 288 };
/** Faults of each form that are told on standard error, for whoever wants to know why a bar is not met. */
const shownFaults = 40;
/** Share of the window that is learned from; the rest is replayed. */
const learned = 0.6;

/** What all worlds of one form of flows add up to. */
interface Score {
  workloads: number;
  refused: number;
  policies: number;
  rules: number;
  legitimate: number;
  allowed: number;
  allowedAfter: number;
  overGrants: number;
  overGrantsAfter: number;
  attempts: number;
  attemptsAllowed: number;
  isolated: number;
  isolatedAfter: number;
  lint: number;
  ready: number;
  replayed: number;
  recalled: number;
  neverLearned: number;
  complaints: number;
  readonly faults: string[];
}

export const bench: Bench = {
  name: 'quality',
  title: `what is proposed for ${worlds} generated worlds of ${size.workloads} workloads, against what is true of them`,
  async run() {
    const figures: Figure[] = [];
    for (const form of ['hubble', 'conntrack'] as const) {
      const score = emptyScore();
      for (let seed = 1; seed <= worlds; seed++) await judge(seed, form, score);
      figures.push(...figuresOf(form, score));
      for (const fault of score.faults.slice(0, shownFaults)) process.stderr.write(`${form}: ${fault}\n`);
    }
    return figures;
  },
};

function emptyScore(): Score {
  return {
    workloads: 0,
    refused: 0,
    policies: 0,
    rules: 0,
    legitimate: 0,
    allowed: 0,
    allowedAfter: 0,
    overGrants: 0,
    overGrantsAfter: 0,
    attempts: 0,
    attemptsAllowed: 0,
    isolated: 0,
    isolatedAfter: 0,
    lint: 0,
    ready: 0,
    replayed: 0,
    recalled: 0,
    neverLearned: 0,
    complaints: 0,
    faults: [],
  };
}

async function judge(seed: number, form: TrafficForm, score: Score): Promise<void> {
  const world = generateWorld(seed, size);
  const { plan, deployed, traffic } = world;
  const { cluster, graph, complaints } = await observe(deployed, traffic, form);
  const proposed = proposeFrom(cluster, graph, worldProfile);
  const isolated = new Set(proposed.drafted.map(({ workload }) => workload));
  const refused = proposed.results.filter(({ kind }) => kind === 'refused');
  const say = (what: string, found: readonly string[]) =>
    score.faults.push(...found.map((fault) => `world ${seed}: ${what}: ${fault}`));

  score.complaints += complaints.length;
  score.workloads += proposed.results.length;
  score.refused += refused.length;
  score.policies += proposed.policies.length;
  score.rules += proposed.policies.reduce((sum, policy) => sum + rulesOf(policy), 0);

  const attributable = attributableConnections(world, form);
  const now = new Verdicts(deployed, proposed.policies);
  const broken = now.broken(attributable);
  const later = rollOut(world);
  const after = new Verdicts(later.deployed, proposed.policies);
  const brokenAfter = after.broken(attributable);
  score.legitimate += attributable.length;
  score.allowed += attributable.length - broken.length;
  score.allowedAfter += attributable.length - brokenAfter.length;
  say('denied', broken);
  say('denied after the rollout', brokenAfter);

  const open = now.open(isolated);
  const openAfter = after.open(isolated);
  score.isolated += isolated.size - open.length;
  score.isolatedAfter += isolated.size - openAfter.length;
  say('not isolated', [...open, ...openAfter]);

  const granted = overGrants(now, world);
  score.overGrants += granted.length;
  score.overGrantsAfter += overGrants(after, world).length;
  say('granted and never needed', granted);
  const attempted = now.allowedOf(plan.attempts);
  score.attempts += plan.attempts.length;
  score.attemptsAllowed += attempted.length;
  say('an attempt is allowed', attempted);

  const podCidrs = deployed.nodes.flatMap((node) => node.podCidrs);
  const struck = proposed.policies.flatMap((policy) => lint(policy, podCidrs));
  score.lint += struck.length;
  say('lint', struck);
  await learn(world, form, score);
}

function rulesOf({ spec }: NetworkPolicy): number {
  return (spec.ingress ?? []).length + (spec.egress ?? []).length;
}

function overGrants(verdicts: Verdicts, { plan }: World): string[] {
  const dns = plan.workloads[0]?.key as WorkloadKey;
  return verdicts.overGrants(portsToAsk(plan), strangersToAsk(plan)).filter((triple) => !isDnsAllowance(triple, dns));
}

/**
 * What a source can tell at all: conntrack knows addresses only, and whose they were before a pod was deleted is in no
 * inventory, so that a connection counts only if it was seen between pods that the inventory has.
 */
function attributableConnections({ plan, traffic }: World, form: TrafficForm): World['plan']['connections'] {
  const seen = new Set<object>();
  for (const { origin, client, server } of traffic) {
    if (form === 'hubble' || (inInventory(client) && inInventory(server))) seen.add(origin);
  }
  return plan.connections.filter((connection) => seen.has(connection));
}

function inInventory(site: Site): boolean {
  return site.kind !== 'pod' || site.life.fate !== 'deleted';
}

/** Learns from the first part of the window, and replays the rest against the policies of what was ready by then. */
async function learn(world: World, form: TrafficForm, score: Score): Promise<void> {
  const { deployed, traffic } = world;
  const cutMs = deployed.startMs + (deployed.endMs - deployed.startMs) * learned;
  const past = asOf(deployed, cutMs);
  const { cluster, graph } = await observe(
    past,
    traffic.filter(({ timeMs }) => timeMs <= cutMs),
    form,
  );
  const learning = prepareLearning(graph, cluster, worldProfile);
  const proposed = proposeFrom(cluster, graph, worldProfile);
  const ready = new Set(
    proposed.drafted
      .map(({ workload }) => cluster.workloads.get(workload))
      .filter((workload) => workload !== undefined && readinessOf(workload, learning).state === 'ready')
      .map((workload) => workload?.key as WorkloadKey),
  );
  score.ready += ready.size;
  const policies = readyPolicies(proposed, ready);
  const verdicts = new Verdicts(past, policies);
  const missed = new Set<string>();
  for (const event of traffic) {
    if (event.timeMs <= cutMs || event.attempt !== undefined || !touches(event, ready)) continue;
    score.replayed++;
    if (passes(event, verdicts)) score.recalled++;
    else missed.add(`${siteName(event.client)} > ${siteName(event.server)} ${event.protocol}/${event.port}`);
  }
  score.neverLearned += missed.size;
  score.faults.push(...[...missed].map((one) => `world ${world.seed}: ready too early, then denied: ${one}`));
  if (ready.size > 0 && [...graph.connections()].filter(isEvidence).length === 0) throw new Error('ready from nothing');
}

function readyPolicies({ yaml, policies }: Proposed, ready: ReadonlySet<WorkloadKey>): NetworkPolicy[] {
  const keys = [...yaml.keys()];
  return policies.filter((_, i) => ready.has(keys[i] as WorkloadKey));
}

function touches({ client, server }: TrafficEvent, ready: ReadonlySet<WorkloadKey>): boolean {
  return [client, server].some((site) => site.kind === 'pod' && ready.has(site.life.workload.key));
}

function passes(event: TrafficEvent, verdicts: Verdicts): boolean {
  const { client, server } = event;
  const [from, to] = [client, server].map((site) => (site.kind === 'pod' ? site.life : undefined));
  if (client.kind === 'node' && to?.node === client.node) return true;
  return verdicts.lets(from, to, { ...event, clientIp: client.ip, serverIp: server.ip });
}

function siteName(site: Site): string {
  return site.kind === 'pod' ? site.life.workload.key : `${site.kind} ${site.ip}`;
}

function figuresOf(form: TrafficForm, score: Score): Figure[] {
  const figure = (what: string, value: number, unit: string, bar?: Figure['bar']): Figure => ({
    what: `${form}: ${what}`,
    values: [value],
    unit,
    baseline: undefined,
    bar,
  });
  const share = (part: number, whole: number) => (whole === 0 ? 0 : (100 * part) / whole);
  const all = (what: string, part: number, whole: number) =>
    figure(`${what} (of ${whole})`, share(part, whole), '%', { text: '100 %', met: part === whole && whole > 0 });
  const none = (what: string, value: number) => figure(what, value, '', { text: '0', met: value === 0 });
  return [
    all('legitimate connections allowed', score.allowed, score.legitimate),
    all('legitimate connections allowed after the rollout', score.allowedAfter, score.legitimate),
    none('triples granted and never needed', score.overGrants),
    none('the same after the rollout', score.overGrantsAfter),
    none(`attempts allowed (of ${score.attempts})`, score.attemptsAllowed),
    all('workloads with all pods isolated', score.isolated, score.policies),
    all('the same after the rollout and scaled up', score.isolatedAfter, score.policies),
    none(`workloads refused (of ${score.workloads})`, score.refused),
    none('lint: generated labels, bare rules, pod addresses', score.lint),
    none('input that could not be used', score.complaints),
    figure('rules', score.rules, 'rules'),
    figure('rules for each policy', score.rules / score.policies, 'rules'),
    figure(`ready after ${100 * learned} % of the time (of ${score.policies})`, score.ready, 'workloads'),
    figure(
      `recall of what ready workloads did later (of ${score.replayed} connections)`,
      share(score.recalled, score.replayed),
      '%',
    ),
    figure('distinct connections of ready workloads missed', score.neverLearned, ''),
  ];
}
