import type { PolicyProtocol } from '../../../controller/model/protocol.ts';
import type { Deployed, PodLife, WorldNode } from './deploy.ts';
import { apiServerService, loadBalancerAddress, serviceAddress } from './kubernetes-objects.ts';
import type { AttemptKind, Party, PlannedAttempt, PlannedConnection } from './plan.ts';
import { type Random, randomOf } from './random.ts';

/** Where a packet really came from or went to. */
export type Site =
  | { readonly kind: 'pod'; readonly ip: string; readonly life: PodLife }
  | { readonly kind: 'node'; readonly ip: string; readonly node: WorldNode }
  | { readonly kind: 'apiserver'; readonly ip: string; readonly node: WorldNode }
  | { readonly kind: 'external'; readonly ip: string };

/** One connection that was opened, or tried. */
export interface TrafficEvent {
  readonly timeMs: number;
  readonly client: Site;
  readonly server: Site;
  readonly protocol: PolicyProtocol;
  readonly clientPort: number;
  readonly port: number;
  /** What the client dialled, where a Service stood in between. */
  readonly addressed: { readonly ip: string; readonly port: number } | undefined;
  /** The client's own address, where a node put its own in place of it on the way. */
  readonly hiddenClient: string | undefined;
  readonly verdict: 'allowed' | 'denied';
  readonly answered: boolean;
  /** The connection or attempt of the plan that it is one instance of. */
  readonly origin: PlannedConnection | PlannedAttempt;
  /** What it was tried for; undefined: legitimate. */
  readonly attempt: AttemptKind | undefined;
}

/** Least number of times that each connection is opened, so that every replica and both families get their turn. */
const leastTimes = 4;
const dayMs = 86_400_000;
const marginMs = 10_000;

/** All traffic of the window, in order of time. */
export function drawTraffic(deployed: Deployed, seed: number): TrafficEvent[] {
  const random = randomOf(seed).fork('traffic');
  const byWorkload = Map.groupBy(deployed.lives, ({ workload }) => workload.key);
  const world: Stage = { deployed, byWorkload, index: new Map(deployed.plan.workloads.map(({ key }, i) => [key, i])) };
  const legitimate = deployed.plan.connections.flatMap((one, i) => {
    const draw = random.fork(`connection ${i}`);
    return opened(draw, world, one, timesOf(draw, world, one));
  });
  const attempts = deployed.plan.attempts.flatMap((one, i) => {
    const scan = one.kind === 'denied-scan' || one.kind === 'unanswered-scan';
    const denied = one.kind === 'denied-scan';
    const draw = random.fork(`attempt ${i}`);
    const quarterMs = (deployed.endMs - deployed.startMs) / 4;
    // In the second half nothing is rolled out any more, so that one replica stays one replica; a scan is a burst.
    const times = scan
      ? [deployed.endMs - quarterMs + i * 1_000]
      : spread(draw, deployed.endMs - 2 * quarterMs, deployed.endMs, 3 * leastTimes);
    const only = one.kind === 'single-replica' ? 0 : undefined;
    return opened(draw, world, { ...one, viaService: false, perDay: 0 }, times, only).map(
      (event): TrafficEvent => ({
        ...event,
        verdict: denied ? 'denied' : 'allowed',
        answered: !scan,
        origin: one,
        attempt: one.kind,
      }),
    );
  });
  return [...legitimate, ...attempts].sort((a, b) => a.timeMs - b.timeMs);
}

/**
 * Connections of the plan of which there is any traffic: rare ones may find nobody to talk to. Of the world outside, only
 * those clients that came.
 */
export function connectionsSeen(traffic: readonly TrafficEvent[]): PlannedConnection[] {
  const byOrigin = Map.groupBy(traffic, ({ origin }) => origin);
  return [...byOrigin].flatMap(([origin, events]) => {
    if ('kind' in origin) return [];
    if (origin.source.kind !== 'world') return [origin];
    const came = new Set(events.map(({ client }) => client.ip));
    return [
      { ...origin, source: { ...origin.source, addresses: origin.source.addresses.filter((ip) => came.has(ip)) } },
    ];
  });
}

interface Stage {
  readonly deployed: Deployed;
  readonly byWorkload: ReadonlyMap<string, readonly PodLife[]>;
  readonly index: ReadonlyMap<string, number>;
}

function opened(
  random: Random,
  stage: Stage,
  one: PlannedConnection,
  times: readonly number[],
  onlyReplica?: number,
): TrafficEvent[] {
  const events: TrafficEvent[] = [];
  for (const [turn, timeMs] of times.entries()) {
    const server = siteOf(random, stage, one.destination, timeMs, turn, undefined);
    if (server === undefined) continue;
    const client = siteOf(random, stage, one.source, timeMs, onlyReplica ?? turn, server);
    if (client === undefined || sameSite(client, server)) continue;
    const [from, to] = sameFamily(random, client, server, one.viaService || callsWebhook(server));
    if (from === undefined || to === undefined) continue;
    events.push({
      timeMs,
      client: from,
      server: to,
      protocol: one.protocol,
      clientPort: random.int(32_768, 60_999),
      port: one.port,
      addressed: addressedBy(stage, one, to),
      hiddenClient: hiddenClient(random, one, from),
      verdict: 'allowed',
      answered: true,
      origin: one,
      attempt: undefined,
    });
  }
  return events;
}

/** When it is opened: at every run of a Job, any time when it is rare, else evenly spread with jitter. */
function timesOf(random: Random, { deployed, byWorkload }: Stage, one: PlannedConnection): number[] {
  const { startMs, endMs } = deployed;
  if (one.source.kind === 'workload') {
    const lives = byWorkload.get(one.source.key) ?? [];
    const kind = lives[0]?.workload.kind;
    if (kind === 'CronJob' || kind === 'Job') {
      return lives.flatMap((life) => {
        const last = Math.min(life.endMs ?? endMs, life.startMs + 300_000) - marginMs;
        return [0, 1].map(() => random.int(life.startMs + marginMs, last));
      });
    }
  }
  const wanted = Math.round((one.perDay * (endMs - startMs)) / dayMs);
  if (one.perDay >= 1) return spread(random, startMs, endMs, Math.max(wanted, 2 * leastTimes));
  return Array.from({ length: Math.max(wanted, 2) }, () => random.int(startMs, endMs)).sort((a, b) => a - b);
}

function spread(random: Random, fromMs: number, toMs: number, count: number): number[] {
  const step = (toMs - fromMs) / count;
  return Array.from({ length: count }, (_, i) => Math.floor(fromMs + (i + random.next()) * step));
}

function siteOf(
  random: Random,
  { deployed, byWorkload }: Stage,
  party: Party,
  timeMs: number,
  turn: number,
  opposite: Site | undefined,
): Site | undefined {
  const { nodes } = deployed;
  switch (party.kind) {
    case 'workload': {
      const alive = (byWorkload.get(party.key) ?? []).filter(
        ({ startMs, endMs }) => startMs + marginMs <= timeMs && (endMs === undefined || timeMs <= endMs - marginMs),
      );
      const own = opposite?.kind === 'pod' ? alive.filter((life) => life !== opposite.life) : alive;
      const life = own[turn % Math.max(own.length, 1)];
      return life && { kind: 'pod', ip: '', life };
    }
    case 'node': {
      const own = opposite?.kind === 'pod' ? opposite.life.node : undefined;
      const node = random.pick(nodes.filter((one) => one !== own));
      return { kind: 'node', ip: '', node };
    }
    case 'own-node':
      return opposite?.kind === 'pod' ? { kind: 'node', ip: '', node: opposite.life.node } : undefined;
    case 'apiserver': {
      const node = nodes[0] as WorldNode;
      if (opposite !== undefined) return { kind: 'node', ip: '', node };
      return { kind: 'apiserver', ip: node.ips[0] as string, node };
    }
    case 'external':
      return { kind: 'external', ip: party.address };
    case 'world':
      return { kind: 'external', ip: party.addresses[turn % party.addresses.length] as string };
  }
}

function callsWebhook(server: Site): boolean {
  return server.kind === 'pod' && server.life.workload.webhook;
}

function sameSite(a: Site, b: Site): boolean {
  return a.kind === 'pod' && b.kind === 'pod' && a.life === b.life;
}

/** Both sides on one family: IPv6 only where both have it, and no Service (all are of one family) stands between. */
function sameFamily(random: Random, a: Site, b: Site, only4: boolean): [Site | undefined, Site | undefined] {
  const families = (only4 ? [4] : [4, 6]).filter(
    (family) => at(a, family) !== undefined && at(b, family) !== undefined,
  );
  if (families.length === 0) return [undefined, undefined];
  const family = random.pick(families);
  return [at(a, family), at(b, family)];
}

function at(site: Site, family: number): Site | undefined {
  const of = (ips: readonly string[]) => ips.find((ip) => ip.includes(':') === (family === 6));
  switch (site.kind) {
    case 'pod': {
      const ip = of(site.life.ips);
      return ip === undefined ? undefined : { ...site, ip };
    }
    case 'node': {
      const ip = of(site.node.ips);
      return ip === undefined ? undefined : { ...site, ip };
    }
    case 'apiserver':
    case 'external':
      return site.ip.includes(':') === (family === 6) ? site : undefined;
  }
}

function addressedBy({ index }: Stage, one: PlannedConnection, server: Site): TrafficEvent['addressed'] {
  if (!one.viaService) return undefined;
  if (server.kind === 'apiserver') return { ip: apiServerService, port: 443 };
  if (server.kind !== 'pod' || server.ip.includes(':')) return undefined;
  const { service, key } = server.life.workload;
  const front = service?.ports.find(({ podPort, protocol }) => podPort === one.port && protocol === one.protocol);
  if (front === undefined) return undefined;
  const place = index.get(key) ?? 0;
  const outside = one.source.kind !== 'workload';
  return { ip: outside ? loadBalancerAddress(place) : serviceAddress(place), port: front.port };
}

/** A node that stands for a load balancer's client hides who it was. */
function hiddenClient(random: Random, one: PlannedConnection, client: Site): string | undefined {
  if (one.source.kind !== 'node' || !one.viaService || client.ip.includes(':')) return undefined;
  return `203.0.113.${random.int(1, 254)}`;
}
