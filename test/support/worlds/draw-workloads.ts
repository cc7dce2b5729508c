import type { Labels } from '../../../controller/model/label-selector.ts';
import { workloadKey } from '../../../controller/model/workload.ts';
import type {
  PlannedKind,
  PlannedNamespace,
  PlannedPort,
  PlannedSchedule,
  PlannedService,
  PlannedServicePort,
  PlannedWorkload,
  WorldTraits,
} from './plan.ts';
import type { Random } from './random.ts';

/** What a drawing of application workloads needs; `count` does not include the cluster's own (DNS, node agents). */
export interface WorkloadsWanted {
  readonly count: number;
  readonly days: number;
  readonly traits: WorldTraits;
}

const stems =
  'cart checkout frontend payment search catalog mail auth orders stock media ads rates ledger geo chat quotes alerts'.split(
    ' ',
  );
/** Names that begin with each other, so that a pod name's beginning tells nothing. */
const endings = ['', '-worker', '-worker-canary', '-db', '-api', '-cache'];
/** Label values that a YAML reader takes for something else unless they are quoted. */
const yamlTraps = ['on', 'no', 'null', '1e3', '0x1f', '012', '2026-03-02', 'true'];
const teams = ['red', 'green', 'blue'];

export function drawNamespaces(random: Random, count: number, traits: WorldTraits): PlannedNamespace[] {
  const names = ['shop', 'shop-staging', 'billing', 'platform', 'data', 'partners'];
  for (let i = names.length; i < count; i++) names.push(`team-${i}`);
  return ['default', 'kube-system', ...names.slice(0, count)].map((name) => ({
    name,
    labels: {
      ...(traits.oldNamespaces ? { name } : { 'kubernetes.io/metadata.name': name }),
      ...(random.chance(0.5) ? { team: random.pick(teams) } : {}),
    },
  }));
}

export function drawWorkloads(
  random: Random,
  namespaces: readonly PlannedNamespace[],
  { count, days, traits }: WorkloadsWanted,
): PlannedWorkload[] {
  const homes = namespaces.slice(2);
  const drawn: PlannedWorkload[] = [];
  for (let i = 0; drawn.length < count; i++) {
    const at = random.fork(`workload ${i}`);
    const namespace = at.pick(homes).name;
    const stem = `${stems[i % stems.length]}${i < stems.length ? '' : Math.floor(i / stems.length)}`;
    drawn.push(...drawFamily(at, namespace, stem, days).slice(0, count - drawn.length));
  }
  if (traits.indistinguishable) drawn.push(...twins(random.pick(homes).name));
  if (traits.unlabelled) drawn.push(unlabelledCronJob(random.pick(homes).name, days));
  if (traits.customOwner) drawn.push(customOwned(random.pick(homes).name));
  return drawn;
}

/** One workload, or several that belong together because their labels or names overlap. */
function drawFamily(random: Random, namespace: string, stem: string, days: number): PlannedWorkload[] {
  const shape = random.int(0, 9);
  if (shape === 0) return twoReleases(random, namespace, stem);
  if (shape === 1) return sameSelector(random, namespace, stem);
  if (shape === 2) {
    return endings.slice(0, 3).map((ending) => {
      const name = stem + ending;
      return server(random, { namespace, kind: 'Deployment', name, labels: { app: name }, more: { group: stem } });
    });
  }
  const name = stem + random.pick(endings);
  const labels = drawLabels(random, name, stem);
  if (shape === 3) return [cronJob(random, namespace, name, labels, days)];
  if (shape === 4) return [client(random, random.pick(['Job', 'Pod'] as const), namespace, name, labels)];
  const kind = shape === 5 ? 'StatefulSet' : shape === 6 ? 'DaemonSet' : 'Deployment';
  const more: Labels = random.chance(0.5) ? { tier: random.pick(['backend', 'front']), team: random.pick(teams) } : {};
  return [server(random, { namespace, kind, name, labels, more })];
}

function drawLabels(random: Random, name: string, stem: string): Labels {
  return random.pick<Labels>([
    { app: name },
    { app: name },
    { 'app.kubernetes.io/name': stem, 'app.kubernetes.io/instance': name },
    { role: stem, unit: name },
    { app: name, stage: random.pick(yamlTraps) },
    { 'k8s-app': name },
  ]);
}

/** Two releases of one chart in one namespace: equal but for `instance`, and inside a release but for `component`. */
function twoReleases(random: Random, namespace: string, chart: string): PlannedWorkload[] {
  const base = { 'app.kubernetes.io/name': chart };
  return ['blue', 'green'].flatMap((release) => {
    const labels = { ...base, 'app.kubernetes.io/instance': `${chart}-${release}` };
    const web = { namespace, kind: 'Deployment', name: `${chart}-${release}`, labels } as const;
    const component = { 'app.kubernetes.io/component': 'store' };
    return [
      server(random, { ...web, more: { 'app.kubernetes.io/component': 'web' } }),
      server(random, {
        ...web,
        kind: 'StatefulSet',
        name: `${web.name}-store`,
        labels: { ...labels, ...component },
        more: {},
      }),
    ];
  });
}

/** Stable and canary under one selector: only a label of the template tells their pods apart. */
function sameSelector(random: Random, namespace: string, name: string): PlannedWorkload[] {
  return ['stable', 'canary'].map((track) =>
    server(random, {
      namespace,
      kind: 'Deployment',
      name: track === 'stable' ? name : `${name}-canary`,
      labels: { app: name },
      more: { track },
    }),
  );
}

function twins(namespace: string): PlannedWorkload[] {
  return ['twin', 'twin-copy'].map((name) => {
    const ports: PlannedPort[] = [{ number: 8080, name: undefined, protocol: 'TCP' }];
    const labels = { app: 'twin' };
    return {
      ...workload({ namespace, kind: 'Deployment', name }, labels, labels, ports),
      replicas: 1,
      service: clusterService(name, ports, false, new Map([[8080, 80]])),
    };
  });
}

function unlabelledCronJob(namespace: string, days: number): PlannedWorkload {
  const schedule = { expression: '30 */6 * * *', runs: everyMinutes(days, 360, 30) };
  return { ...workload({ namespace, kind: 'CronJob', name: 'bare-report' }, undefined, {}, []), schedule };
}

function customOwned(namespace: string): PlannedWorkload {
  const ports: PlannedPort[] = [{ number: 8080, name: 'http', protocol: 'TCP' }];
  const labels = { app: 'progressive' };
  return {
    ...workload({ namespace, kind: 'Rollout', name: 'progressive' }, labels, labels, ports),
    replicas: 2,
    service: clusterService('progressive', ports, false, new Map([[8080, 80]])),
  };
}

interface ServerShape {
  readonly namespace: string;
  readonly kind: 'Deployment' | 'StatefulSet' | 'DaemonSet';
  readonly name: string;
  readonly labels: Labels;
  /** Labels of the template that the selector leaves out. */
  readonly more: Labels;
}

function server(random: Random, { namespace, kind, name, labels, more }: ServerShape): PlannedWorkload {
  const ports = drawPorts(random);
  const frontPorts = new Map(ports.map(({ number }, i) => [number, random.chance(0.5) ? 80 + i : number]));
  const headless = kind === 'StatefulSet';
  return {
    ...workload({ namespace, kind, name }, labels, { ...labels, ...more }, ports),
    replicas: random.int(1, 4),
    serviceAccount: random.chance(0.3) ? name : undefined,
    service: clusterService(name, ports, headless, headless ? new Map() : frontPorts),
  };
}

function client(random: Random, kind: 'Job' | 'Pod', namespace: string, name: string, labels: Labels): PlannedWorkload {
  return {
    ...workload({ namespace, kind, name }, undefined, labels, []),
    serviceAccount: random.chance(0.3) ? name : undefined,
  };
}

function cronJob(random: Random, namespace: string, name: string, labels: Labels, days: number): PlannedWorkload {
  const minute = random.int(1, 50);
  const hour = random.int(0, 22);
  const schedule = random.pick<PlannedSchedule>([
    { expression: `${minute} */6 * * *`, runs: everyMinutes(days, 360, minute) },
    { expression: `${minute} ${hour} * * *`, runs: everyMinutes(days, 1440, hour * 60 + minute) },
    { expression: `${minute} ${hour},${hour + 1} * * *`, runs: twiceADay(days, hour, minute) },
  ]);
  return { ...workload({ namespace, kind: 'CronJob', name }, undefined, labels, []), schedule };
}

function everyMinutes(days: number, step: number, first: number): number[] {
  const runs: number[] = [];
  for (let minute = first; minute < days * 1440 - 30; minute += step) runs.push(minute);
  return runs;
}

function twiceADay(days: number, hour: number, minute: number): number[] {
  const first = everyMinutes(days, 1440, hour * 60 + minute);
  return [...first, ...everyMinutes(days, 1440, (hour + 1) * 60 + minute)].sort((a, b) => a - b);
}

function drawPorts(random: Random): PlannedPort[] {
  const named = (name: string) => (random.chance(0.5) ? name : undefined);
  const http: PlannedPort = { number: random.pick([8080, 8000, 3000]), name: named('http'), protocol: 'TCP' };
  const metrics: PlannedPort = { number: 9090, name: named('metrics'), protocol: 'TCP' };
  return random.pick<PlannedPort[]>([
    [http],
    [http, metrics],
    [{ number: 5432, name: named('sql'), protocol: 'TCP' }],
    [7000, 7001, 7002].map((number) => ({ number, name: undefined, protocol: 'TCP' })),
    [http, { number: 8125, name: named('stats'), protocol: 'UDP' }],
    [{ number: 3868, name: undefined, protocol: 'SCTP' }, http],
  ]);
}

function clusterService(
  name: string,
  ports: readonly PlannedPort[],
  headless: boolean,
  frontPorts: ReadonlyMap<number, number>,
): PlannedService {
  const front = ports.map(
    ({ number, name: portName, protocol }): PlannedServicePort => ({
      name: portName ?? `${protocol.toLowerCase()}-${number}`,
      port: frontPorts.get(number) ?? number,
      targetPort: portName ?? number,
      podPort: number,
      protocol,
    }),
  );
  return { name, type: 'ClusterIP', headless, externalTrafficPolicy: 'Cluster', ports: front };
}

/** A workload with nothing special about it; callers spread it and say what is. */
export function workload(
  { namespace, kind, name }: { readonly namespace: string; readonly kind: PlannedKind; readonly name: string },
  selector: Labels | undefined,
  templateLabels: Labels,
  ports: readonly PlannedPort[],
): PlannedWorkload {
  return {
    key: workloadKey({ namespace, kind, name }),
    namespace,
    kind,
    name,
    replicas: 1,
    hostNetwork: false,
    selector,
    templateLabels,
    annotations: {},
    ports,
    serviceAccount: undefined,
    schedule: undefined,
    service: undefined,
    webhook: false,
  };
}

/**
 * The cluster's own: DNS (rarely on 5353 behind Service port 53), a node agent on the nodes' network, and a log shipper
 * whose probes keep every node reporting.
 */
export function infrastructure(random: Random): PlannedWorkload[] {
  const dnsPort = random.chance(0.1) ? 5353 : 53;
  const ports = (['UDP', 'TCP'] as const).map((protocol) => ({
    number: dnsPort,
    name: protocol === 'UDP' ? 'dns' : 'dns-tcp',
    protocol,
  }));
  const dnsLabels = { 'k8s-app': 'kube-dns' };
  const dns = workload({ namespace: 'kube-system', kind: 'Deployment', name: 'coredns' }, dnsLabels, dnsLabels, ports);
  const front = ports.map(({ number, name, protocol }) => ({
    name,
    port: 53,
    targetPort: name,
    podPort: number,
    protocol,
  }));
  const agentLabels = { app: 'node-agent' };
  const agentPorts = [{ number: 9100, name: 'metrics', protocol: 'TCP' }] as const;
  const agent = workload(
    { namespace: 'kube-system', kind: 'DaemonSet', name: 'node-agent' },
    agentLabels,
    agentLabels,
    agentPorts,
  );
  const shipperLabels = { app: 'log-shipper' };
  const shipperPorts = [{ number: 2020, name: undefined, protocol: 'TCP' }] as const;
  return [
    {
      ...dns,
      replicas: 2,
      serviceAccount: 'coredns',
      service: {
        name: 'kube-dns',
        type: 'ClusterIP',
        headless: false,
        externalTrafficPolicy: 'Cluster',
        ports: front,
      },
    },
    { ...agent, hostNetwork: true, serviceAccount: 'node-agent' },
    workload(
      { namespace: 'kube-system', kind: 'DaemonSet', name: 'log-shipper' },
      shipperLabels,
      shipperLabels,
      shipperPorts,
    ),
  ];
}
