import type { Deployed, PodLife, WorldNode } from './deploy.ts';
import type { PlannedNamespace, PlannedServicePort, PlannedWorkload } from './plan.ts';

/** A Kubernetes object as `kubectl get -o json` prints it. */
export type KubernetesObject = Readonly<Record<string, unknown>>;

export const apiServerService = '10.96.0.1';

/** Everything that an inventory of this cluster would hold at the end of its window, in no special order. */
export function kubernetesObjects(deployed: Deployed): KubernetesObject[] {
  const { plan, nodes } = deployed;
  const lives = deployed.lives.filter(({ fate }) => fate !== 'deleted');
  const first = nodes[0];
  if (first === undefined) throw new RangeError('a cluster without nodes');
  return [
    ...plan.namespaces.map(namespaceObject),
    ...nodes.map(nodeObject),
    ...apiServerObjects(first),
    ...plan.workloads.filter(({ kind }) => kind !== 'Rollout').flatMap((one) => ownerObjects(one, lives)),
    ...betweenObjects(lives),
    ...lives.map((life) => podObject(life, deployed.endMs)),
    ...plan.workloads.flatMap((one, i) => serviceObjects(one, i, lives)),
    ...plan.workloads.filter(({ webhook }) => webhook).map(webhookObject),
  ];
}

function namespaceObject({ name, labels }: PlannedNamespace): KubernetesObject {
  const metadata = { name, labels, uid: `uid-of-namespace-${name}`, creationTimestamp: '2026-01-05T08:00:00Z' };
  return { apiVersion: 'v1', kind: 'Namespace', metadata, status: { phase: 'Active' } };
}

function nodeObject({ name, ips, podCidrs, controlPlane }: WorldNode): KubernetesObject {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        ...(controlPlane ? { 'node-role.kubernetes.io/control-plane': '' } : {}),
      },
    },
    spec: { podCIDR: podCidrs[0], podCIDRs: podCidrs },
    status: {
      addresses: [...ips.map((address) => ({ type: 'InternalIP', address })), { type: 'Hostname', address: name }],
    },
  };
}

/** The API server answers on its node's own address, behind the Service that every pod knows. */
function apiServerObjects({ ips }: WorldNode): KubernetesObject[] {
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'default', name: 'kubernetes' },
      spec: {
        type: 'ClusterIP',
        clusterIP: apiServerService,
        clusterIPs: [apiServerService],
        ports: [{ name: 'https', protocol: 'TCP', port: 443, targetPort: 6443 }],
      },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { namespace: 'default', name: 'kubernetes', labels: { 'kubernetes.io/service-name': 'kubernetes' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: [ips[0]], conditions: { ready: true } }],
      ports: [{ name: 'https', protocol: 'TCP', port: 6443 }],
    },
  ];
}

function ownerObjects(one: PlannedWorkload, lives: readonly PodLife[]): KubernetesObject[] {
  const { namespace, kind, name, selector } = one;
  const metadata = { namespace, name, uid: ownerUid(one) };
  const template = { metadata: { labels: one.templateLabels, annotations: one.annotations }, spec: podSpec(one) };
  switch (one.kind) {
    case 'Pod':
    case 'Rollout':
      return [];
    case 'CronJob': {
      const spec = { schedule: one.schedule?.expression, jobTemplate: { spec: { template } } };
      return [{ apiVersion: 'batch/v1', kind, metadata, spec }];
    }
    case 'Job': {
      const life = lives.find(({ workload }) => workload.key === one.key);
      const generated = life?.labels ?? {};
      const labelled = { ...template, metadata: { ...template.metadata, labels: generated } };
      const matchLabels = { 'batch.kubernetes.io/controller-uid': life?.owner?.uid };
      return [
        {
          apiVersion: 'batch/v1',
          kind,
          metadata: { ...metadata, uid: life?.owner?.uid, labels: generated },
          spec: { selector: { matchLabels }, template: labelled },
        },
      ];
    }
    case 'Deployment':
    case 'StatefulSet':
    case 'DaemonSet': {
      const current = lives.filter(({ workload, fate }) => workload.key === one.key && fate === 'running').length;
      const replicas = one.kind === 'DaemonSet' ? {} : { replicas: current };
      const serviceName = one.kind === 'StatefulSet' ? { serviceName: one.service?.name ?? name } : {};
      const spec = { ...replicas, ...serviceName, selector: { matchLabels: selector }, template };
      return [{ apiVersion: 'apps/v1', kind, metadata, spec }];
    }
  }
}

function ownerUid({ key }: PlannedWorkload): string {
  return `uid-of-${key.replaceAll('/', '-').toLowerCase()}`;
}

function podSpec(one: PlannedWorkload): KubernetesObject {
  return {
    ...(one.serviceAccount === undefined ? {} : { serviceAccountName: one.serviceAccount }),
    ...(one.hostNetwork ? { hostNetwork: true } : {}),
    containers: [
      {
        name: 'main',
        image: `registry.example/${one.name}:1`,
        ports: one.ports.map(({ number, name, protocol }) => ({
          containerPort: number,
          protocol,
          ...(name === undefined ? {} : { name }),
        })),
      },
    ],
  };
}

/** ReplicaSets and the Jobs of CronJobs: what stands between a workload and its pods. */
function betweenObjects(lives: readonly PodLife[]): KubernetesObject[] {
  const seen = new Map<string, KubernetesObject>();
  for (const { owner, workload: one, labels } of lives) {
    if (owner === undefined || one.kind === 'Job') continue;
    const apiVersion = owner.kind === 'Job' ? 'batch/v1' : 'apps/v1';
    seen.set(owner.uid, {
      apiVersion,
      kind: owner.kind,
      metadata: {
        namespace: one.namespace,
        name: owner.name,
        uid: owner.uid,
        labels,
        ownerReferences: [controllerOf(one)],
      },
      spec: {
        selector: {
          matchLabels:
            owner.kind === 'Job' ? { 'batch.kubernetes.io/controller-uid': owner.uid } : { ...one.selector, ...labels },
        },
        template: { metadata: { labels }, spec: podSpec(one) },
      },
    });
  }
  return [...seen.values()];
}

function controllerOf(one: PlannedWorkload): KubernetesObject {
  const apiVersion = { CronJob: 'batch/v1', Job: 'batch/v1', Rollout: 'argoproj.io/v1alpha1' } as const;
  const version = one.kind in apiVersion ? apiVersion[one.kind as keyof typeof apiVersion] : 'apps/v1';
  return { apiVersion: version, kind: one.kind, name: one.name, uid: ownerUid(one), controller: true };
}

function podObject(life: PodLife, endMs: number): KubernetesObject {
  const { workload: one, owner, name, labels, node, ips, startMs } = life;
  const direct = one.kind === 'Pod' ? undefined : controllerOf(one);
  const reference = owner
    ? {
        apiVersion: owner.kind === 'Job' ? 'batch/v1' : 'apps/v1',
        kind: owner.kind,
        name: owner.name,
        uid: owner.uid,
        controller: true,
      }
    : direct;
  const start = new Date(startMs).toISOString();
  const finished = life.fate === 'finished';
  const state = finished
    ? { terminated: { exitCode: 0, startedAt: start, finishedAt: new Date(life.endMs ?? endMs).toISOString() } }
    : { running: { startedAt: start } };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: one.namespace,
      name,
      uid: life.uid,
      labels,
      annotations: one.annotations,
      creationTimestamp: start,
      ...(reference === undefined ? {} : { ownerReferences: [reference] }),
    },
    spec: { nodeName: node.name, ...podSpec(one) },
    status: {
      phase: finished ? 'Succeeded' : 'Running',
      hostIP: node.ips[0],
      podIP: ips[0],
      podIPs: ips.map((ip) => ({ ip })),
      startTime: start,
      containerStatuses: [{ name: 'main', state }],
    },
  };
}

/** ClusterIPs count up with the workload's place in the plan; load balancers stand in a documentation range. */
export function serviceAddress(index: number): string {
  return `10.96.${1 + Math.floor(index / 250)}.${1 + (index % 250)}`;
}

export function loadBalancerAddress(index: number): string {
  return `192.0.2.${1 + (index % 250)}`;
}

function serviceObjects(one: PlannedWorkload, index: number, lives: readonly PodLife[]): KubernetesObject[] {
  const { service, namespace } = one;
  if (service === undefined) return [];
  const clusterIp = service.headless ? 'None' : serviceAddress(index);
  const metadata = { namespace, name: service.name };
  const running = lives.filter(({ workload, fate }) => workload.key === one.key && fate === 'running');
  const balanced = service.type === 'LoadBalancer';
  return [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata,
      spec: {
        type: service.type,
        clusterIP: clusterIp,
        clusterIPs: [clusterIp],
        selector: one.templateLabels,
        ...(balanced ? { externalTrafficPolicy: service.externalTrafficPolicy } : {}),
        ports: service.ports.map(({ name, port, targetPort, protocol }, i) => ({
          name,
          port,
          targetPort,
          protocol,
          ...(balanced ? { nodePort: nodePortOf(index, i) } : {}),
        })),
      },
      status: balanced ? { loadBalancer: { ingress: [{ ip: loadBalancerAddress(index) }] } } : { loadBalancer: {} },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        namespace,
        name: `${service.name}-1`,
        labels: { 'kubernetes.io/service-name': service.name },
      },
      addressType: 'IPv4',
      endpoints: running.map(({ name, ips, node }) => ({
        addresses: [ips[0]],
        nodeName: node.name,
        conditions: { ready: true },
        targetRef: { kind: 'Pod', namespace, name },
      })),
      ports: service.ports.map(({ name, podPort, protocol }) => ({ name, port: podPort, protocol })),
    },
  ];
}

export function nodePortOf(index: number, port: number): number {
  return 30_000 + ((index * 8 + port) % 2_700);
}

/** The first TCP port of its Service: API servers call webhooks by HTTPS. */
export function webhookPort({ service }: PlannedWorkload): PlannedServicePort | undefined {
  return service?.ports.find(({ protocol }) => protocol === 'TCP');
}

function webhookObject(one: PlannedWorkload): KubernetesObject {
  const { namespace, service } = one;
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: `${namespace}-${one.name}` },
    webhooks: [
      {
        name: `${one.name}.example.org`,
        clientConfig: { service: { namespace, name: service?.name, port: webhookPort(one)?.port } },
      },
    ],
  };
}
