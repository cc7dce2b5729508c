import { drawAttempts } from './draw-attempts.ts';
import { drawNamespaces, drawWorkloads, infrastructure, workload } from './draw-workloads.ts';
import type { Party, PlannedConnection, PlannedWorkload, WorldPlan, WorldTraits } from './plan.ts';
import type { Random } from './random.ts';
import { tripleId } from './triple.ts';

export interface WorldSize {
  readonly workloads: number;
  readonly namespaces: number;
  readonly days: number;
  readonly workers: number;
  /** Mean connections a day of the busiest pairs; rare ones have a hundredth of it. */
  readonly perDay: number;
  /** Probes of each node's log shipper a day. @default perDay */
  readonly probesPerDay?: number;
}

/** Draws who is there and who talks to whom. */
export function drawPlan(random: Random, size: WorldSize, traits: WorldTraits): WorldPlan {
  const namespaces = drawNamespaces(random.fork('namespaces'), size.namespaces, traits);
  const wanted = { count: size.workloads, days: size.days, traits };
  const drawn = drawWorkloads(random.fork('workloads'), namespaces, wanted).map((one) =>
    expose(random.fork(`exposure ${one.key}`), one),
  );
  const own = infrastructure(random.fork('infrastructure'));
  const scraper = random.fork('scraper').chance(0.4) ? [scraperIn(namespaces.at(-1)?.name ?? 'default')] : [];
  const apiClients = new Set(drawn.filter((one) => usesApi(random, one)).map(({ key }) => key));
  const workloads = [
    ...own,
    ...drawn.map((one) => (apiClients.has(one.key) ? { ...one, serviceAccount: one.name } : one)),
    ...scraper,
  ];
  const connections = distinct([
    ...drawn.flatMap((source) => drawCalls(random.fork(`calls ${source.key}`), source, drawn, size)),
    ...workloads.flatMap((source) => drawDns(random.fork(`dns ${source.key}`), source, own, size)),
    ...workloads
      .filter(({ key }) => apiClients.has(key))
      .map(({ key }) => call({ kind: 'workload', key }, { kind: 'apiserver' }, 'TCP', 6443, true, size.perDay)),
    ...own
      .filter(({ name }) => name === 'log-shipper')
      .map(({ key }) => {
        const probes = (size.probesPerDay ?? size.perDay) * size.workers;
        return call({ kind: 'own-node' }, { kind: 'workload', key }, 'TCP', 2020, false, probes);
      }),
    ...drawn.flatMap((one) => drawOutside(random.fork(`outside ${one.key}`), one, traits, size)),
    ...scraper.flatMap((one) => drawScrapes(one, workloads, size)),
  ]);
  const plan = { traits, days: size.days, workers: size.workers, namespaces, workloads, connections, attempts: [] };
  return traits.attacks ? { ...plan, attempts: drawAttempts(random.fork('attempts'), plan) } : plan;
}

function call(
  source: Party,
  destination: Party,
  protocol: PlannedConnection['protocol'],
  port: number,
  viaService: boolean,
  perDay: number,
): PlannedConnection {
  return { source, destination, protocol, port, viaService, perDay };
}

function usesApi(random: Random, { key, kind }: PlannedWorkload): boolean {
  return kind !== 'Pod' && random.fork(`api ${key}`).chance(0.15);
}

/** Some Services are LoadBalancers, that keep or hide their clients' addresses; some Deployments are webhooks. */
function expose(random: Random, one: PlannedWorkload): PlannedWorkload {
  const { service } = one;
  if (service === undefined || service.headless || one.kind !== 'Deployment') return one;
  if (random.chance(0.05)) return { ...one, webhook: true };
  if (!random.chance(0.2)) return one;
  const externalTrafficPolicy = random.pick(['Local', 'Local', 'Cluster'] as const);
  return { ...one, service: { ...service, type: 'LoadBalancer', externalTrafficPolicy } };
}

function scraperIn(namespace: string): PlannedWorkload {
  const labels = { 'app.kubernetes.io/name': 'metrics-scraper' };
  const one = workload({ namespace, kind: 'StatefulSet', name: 'metrics-scraper' }, labels, labels, []);
  return { ...one, serviceAccount: 'metrics-scraper' };
}

function drawCalls(
  random: Random,
  source: PlannedWorkload,
  all: readonly PlannedWorkload[],
  { perDay }: WorldSize,
): PlannedConnection[] {
  const from: Party = { kind: 'workload', key: source.key };
  const calls: PlannedConnection[] = [];
  const servers = all.filter((other) => other.service !== undefined && other.key !== source.key);
  const wanted = random.chance(0.1) ? [] : random.shuffled(servers).slice(0, random.int(1, 3));
  if (source.service?.headless === true && source.replicas > 1) wanted.push(source);
  for (const target of wanted) {
    const every = random.chance(0.3);
    const chosen = every ? target.ports : [random.pick(target.ports)];
    const viaService = target.service?.headless !== true;
    for (const { number, protocol } of chosen) {
      const rate = random.pick([1, 1, 0.5, 0.1, 0.01]) * perDay;
      calls.push(call(from, { kind: 'workload', key: target.key }, protocol, number, viaService, rate));
    }
  }
  return calls;
}

function drawDns(
  random: Random,
  source: PlannedWorkload,
  own: readonly PlannedWorkload[],
  { perDay }: WorldSize,
): PlannedConnection[] {
  const dns = own[0];
  if (dns === undefined || source.hostNetwork || source.key === dns.key || random.chance(0.15)) return [];
  const protocols = random.chance(0.1) ? (['UDP', 'TCP'] as const) : (['UDP'] as const);
  return protocols.map((protocol) =>
    call(
      { kind: 'workload', key: source.key },
      { kind: 'workload', key: dns.key },
      protocol,
      dns.ports.find((port) => port.protocol === protocol)?.number ?? 53,
      true,
      perDay,
    ),
  );
}

/** External services, clients of load balancers, kubelet probes, webhook calls, hostNetwork clients. */
function drawOutside(
  random: Random,
  one: PlannedWorkload,
  { dualStack }: WorldTraits,
  { perDay }: WorldSize,
): PlannedConnection[] {
  const self: Party = { kind: 'workload', key: one.key };
  const found: PlannedConnection[] = [];
  if (random.chance(0.3)) {
    for (let i = random.int(1, 2); i > 0; i--) {
      const v6 = dualStack && random.chance(0.4);
      const address = v6 ? `2001:db8:5::${random.int(1, 255).toString(16)}` : `198.51.100.${random.int(1, 254)}`;
      found.push(call(self, { kind: 'external', address }, 'TCP', random.pick([443, 443, 8443]), false, perDay));
    }
  }
  const port = one.ports.find(({ protocol }) => protocol === 'TCP')?.number;
  if (port === undefined) return found;
  if (one.service?.type === 'LoadBalancer') found.push(...clientsOf(random, one, port, dualStack, perDay));
  if (one.webhook) found.push(call({ kind: 'apiserver' }, self, 'TCP', port, false, perDay));
  if (random.chance(0.3)) found.push(call({ kind: 'own-node' }, self, 'TCP', port, false, perDay));
  return found;
}

function clientsOf(
  random: Random,
  one: PlannedWorkload,
  port: number,
  dualStack: boolean,
  perDay: number,
): PlannedConnection[] {
  const self: Party = { kind: 'workload', key: one.key };
  if (one.service?.externalTrafficPolicy !== 'Local') return [call({ kind: 'node' }, self, 'TCP', port, true, perDay)];
  const address = (i: number) => (dualStack && i % 4 === 3 ? `2001:db8:9::${i}` : `203.0.113.${10 * i + 7}`);
  if (random.chance(0.5)) {
    const addresses = Array.from({ length: random.int(8, 12) }, (_, i) => address(i));
    return [call({ kind: 'world', addresses }, self, 'TCP', port, true, perDay * 2)];
  }
  return [1, 2].map((i) => call({ kind: 'external', address: address(i) }, self, 'TCP', port, true, perDay));
}

/** The scraper goes to the pods' own addresses, and to the nodes for the agents on the nodes' network. */
function drawScrapes(
  scraper: PlannedWorkload,
  all: readonly PlannedWorkload[],
  { perDay }: WorldSize,
): PlannedConnection[] {
  const from: Party = { kind: 'workload', key: scraper.key };
  return all.flatMap(({ key, ports, hostNetwork }): PlannedConnection[] => {
    const port = ports.find(({ name, number }) => name === 'metrics' || number === 9090)?.number;
    if (port === undefined) return [];
    const to: Party = hostNetwork ? { kind: 'node' } : { kind: 'workload', key };
    return [call(from, to, 'TCP', port, false, perDay * 2)];
  });
}

function distinct(connections: readonly PlannedConnection[]): PlannedConnection[] {
  return [...new Map(connections.map((one) => [tripleId(one), one])).values()];
}
