import { LiveInventory } from '../../controller/adapters/inventory/live-inventory.ts';
import { FlowAttributor } from '../../controller/attribution/attribute-flow.ts';
import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import type { Clock } from '../../controller/ports.ts';
import { type Bench, type Figure, liveBytes, spread } from './measure.ts';

const workloads = 1_000;
const podsPerWorkload = 10;
const nodes = 200;
const rounds = 20;
const startMs = Date.UTC(2026, 0, 5);

const clock: Clock = { now: () => startMs + 3_600_000, sleep: () => Promise.resolve() };

/** The ways of the API server's JSON: what is not read is the larger part of it. */
function podObject(workload: number, replica: number, change = 0) {
  const namespace = `team-${workload % 100}`;
  const owner = `service-${workload}-7d9c5b6f48`;
  const i = workload * podsPerWorkload + replica;
  const ip = `10.${128 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`;
  const labels = {
    app: `service-${workload}`,
    'app.kubernetes.io/name': `service-${workload}`,
    'app.kubernetes.io/part-of': namespace,
    'pod-template-hash': '7d9c5b6f48',
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name: `${owner}-${replica.toString().padStart(5, 'x')}`,
      generateName: `${owner}-`,
      namespace,
      uid: `4b8e0f6a-1c1c-4a5b-9a52-${i.toString().padStart(12, '0')}`,
      resourceVersion: `${1_000_000 + i + change}`,
      creationTimestamp: '2026-01-05T00:00:00Z',
      labels,
      annotations: { 'cni.projectcalico.org/podIP': `${ip}/32`, 'cni.projectcalico.org/containerID': 'c'.repeat(64) },
      ownerReferences: [
        { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: owner, uid: `u-${workload}`, controller: true },
      ],
      managedFields: ['kube-controller-manager', 'kubelet', 'calico'].map((manager) => ({
        manager,
        operation: 'Update',
        fieldsV1: Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`f:field-${n}`, { 'f:value': {} }])),
      })),
    },
    spec: {
      nodeName: `node-${i % nodes}`,
      serviceAccountName: 'default',
      volumes: [{ name: 'kube-api-access', projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } }],
      containers: [
        {
          name: 'main',
          image: `registry.example/service-${workload}:1.2.3`,
          ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
          env: Array.from({ length: 20 }, (_, n) => ({ name: `SETTING_${n}`, value: `value-${n}`.repeat(4) })),
          volumeMounts: [{ name: 'kube-api-access', mountPath: '/var/run/secrets' }],
        },
      ],
    },
    status: {
      phase: 'Running',
      podIP: ip,
      podIPs: [{ ip }],
      startTime: '2026-01-05T00:00:01Z',
      conditions: ['Initialized', 'Ready', 'ContainersReady', 'PodScheduled'].map((type) => ({
        type,
        status: type === 'Ready' && change % 2 === 1 ? 'False' : 'True',
        lastTransitionTime: '2026-01-05T00:00:02Z',
      })),
      containerStatuses: [{ name: 'main', restartCount: 0, state: { running: { startedAt: '2026-01-05T00:00:02Z' } } }],
    },
  };
}

function ownerObjects(workload: number): Readonly<Record<'Deployment' | 'ReplicaSet' | 'Service', object>> {
  const namespace = `team-${workload % 100}`;
  const name = `service-${workload}`;
  const labels = { app: name, 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': namespace };
  const spec = {
    replicas: podsPerWorkload,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels }, spec: { containers: [{ name: 'main', ports: [{ containerPort: 8080 }] }] } },
  };
  return {
    Deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace, resourceVersion: '1' },
      spec,
    },
    ReplicaSet: {
      apiVersion: 'apps/v1',
      kind: 'ReplicaSet',
      metadata: {
        name: `${name}-7d9c5b6f48`,
        namespace,
        resourceVersion: '1',
        labels,
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid: 'd', controller: true }],
      },
      spec,
    },
    Service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace, resourceVersion: '1' },
      spec: {
        clusterIP: `10.96.${workload >> 8}.${workload & 255}`,
        selector: { app: name },
        ports: [{ port: 80, targetPort: 8080 }],
      },
    },
  };
}

function nodeObject(i: number): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${i}`, resourceVersion: '1' },
    spec: { podCIDR: `10.${64 + (i >> 8)}.${i & 255}.0/24` },
    status: { addresses: [{ type: 'InternalIP', address: `172.16.${i >> 8}.${i & 255}` }] },
  };
}

/** One list a kind, as the server sends them. */
function lists(): ReadonlyMap<string, string> {
  const owners = Array.from({ length: workloads }, (_, i) => ownerObjects(i));
  const pods = Array.from({ length: workloads * podsPerWorkload }, (_, i) =>
    podObject(Math.floor(i / podsPerWorkload), i % podsPerWorkload),
  );
  const objects = {
    Node: Array.from({ length: nodes }, (_, i) => nodeObject(i)),
    Deployment: owners.map(({ Deployment }) => Deployment),
    ReplicaSet: owners.map(({ ReplicaSet }) => ReplicaSet),
    Service: owners.map(({ Service }) => Service),
    Pod: pods,
  };
  return new Map(Object.entries(objects).map(([kind, items]) => [kind, JSON.stringify(items)]));
}

function parsed(texts: ReadonlyMap<string, string>): ReadonlyMap<string, readonly KubernetesObject[]> {
  return new Map([...texts].map(([kind, text]) => [kind, JSON.parse(text) as KubernetesObject[]]));
}

function filled(texts: ReadonlyMap<string, string>): LiveInventory {
  const inventory = new LiveInventory({ ownNamespace: 'nanoseg-system', clock });
  for (const [kind, text] of texts) inventory.sink.replace(kind, JSON.parse(text) as KubernetesObject[]);
  const { size } = inventory.cluster().workloads;
  if (size !== workloads) throw new Error(`found ${size} workloads instead of ${workloads}`);
  return inventory;
}

interface Cost<Made> {
  readonly made: Made;
  readonly megabytes: number;
  readonly ms: number;
}

function cost<Made>(make: () => Made): Cost<Made> {
  const before = liveBytes();
  const start = performance.now();
  const made = make();
  const ms = performance.now() - start;
  return { made, megabytes: (liveBytes() - before) / 2 ** 20, ms };
}

function msOf(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

export const bench: Bench = {
  name: 'live-inventory',
  title: `a cluster of ${(workloads * podsPerWorkload).toLocaleString('en-US')} pods and ${workloads.toLocaleString('en-US')} workloads, kept up to date`,
  async run() {
    const texts = lists();
    const plain = [];
    const ours = [];
    const changes = [];
    const idle = [];
    const attributors = [];
    for (let round = 0; round < 3; round++) {
      plain.push(without(cost(() => parsed(texts))));
      const { made: inventory, ...figures } = cost(() => filled(texts));
      ours.push(figures);
      if (round === 0) continue;
      for (let i = 1; i <= rounds; i++) {
        const changed = podObject(i * 31, 3, i * 2 - 1) as unknown as KubernetesObject;
        const before = inventory.cluster();
        changes.push(msOf(() => (inventory.sink.upsert(changed), inventory.cluster())));
        if (inventory.cluster() === before) throw new Error('the change of a pod made no new cluster');
        const after = inventory.cluster();
        const heartbeat = { ...changed, metadata: { ...changed.metadata, resourceVersion: `9${i}` } };
        idle.push(msOf(() => (inventory.sink.upsert(heartbeat), inventory.cluster())));
        if (inventory.cluster() !== after) throw new Error('a heartbeat made a new cluster');
        attributors.push(msOf(() => new FlowAttributor(after)));
      }
    }
    const parsing = 'JSON.parse of the same lists';
    const kept = 'the same lists as parsed objects';
    const figures: Figure[] = [
      { what: parsing, values: plain.map(({ ms }) => ms), unit: 'ms', baseline: undefined, bar: undefined },
      {
        what: 'from lists to the first cluster, parsing included',
        values: ours.map(({ ms }) => ms),
        unit: 'ms',
        baseline: parsing,
        bar: undefined,
      },
      { what: kept, values: plain.map(({ megabytes }) => megabytes), unit: 'MB', baseline: undefined, bar: undefined },
      {
        what: 'the inventory with its cluster',
        values: ours.map(({ megabytes }) => megabytes),
        unit: 'MB',
        baseline: kept,
        bar: {
          text: 'less than the objects',
          met: spread(ours.map(({ megabytes }) => megabytes)).max < spread(plain.map(({ megabytes }) => megabytes)).min,
        },
      },
      {
        what: 'one pod changes: the next cluster',
        values: changes,
        unit: 'ms',
        baseline: parsing,
        bar: { text: 'at most 100 ms', met: spread(changes).median <= 100 },
      },
      { what: 'an update that says nothing new', values: idle, unit: 'ms', baseline: undefined, bar: undefined },
      { what: 'a new attributor for it', values: attributors, unit: 'ms', baseline: undefined, bar: undefined },
    ];
    return figures;
  },
};

function without({ megabytes, ms }: Cost<unknown>): { readonly megabytes: number; readonly ms: number } {
  return { megabytes, ms };
}
