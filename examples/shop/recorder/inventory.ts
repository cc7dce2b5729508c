import { apiServerPort, clusterRanges, type LabNode, nodes } from './lab.ts';
import { portNumber, type Service, type World } from './manifests.ts';
import { uidOf } from './names.ts';
import { backendsOf } from './node-rules.ts';
import type { ShopPod } from './pods.ts';

const seconds = (ms: number) => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/**
 * The objects that a cluster would have made in this run: nodes, address ranges, EndpointSlices as they were at the end,
 * and every pod that lived during the recording in its last state, those that are gone included.
 */
export function inventory(world: World, pods: readonly ShopPod[]): readonly object[] {
  const living = pods.filter(({ endMs }) => endMs === undefined);
  return [
    ...nodes.map(nodeObject),
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'ServiceCIDR',
      metadata: { name: 'kubernetes' },
      spec: { cidrs: clusterRanges.services },
    },
    ...world.services.flatMap((service) => endpointSlices(service, living)),
    ...ownerObjects(pods),
    ...pods.map(podObject),
  ];
}

function nodeObject({ name, ipv4, ipv6, pods4, pods6 }: LabNode): object {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/os': 'linux' } },
    spec: { podCIDR: `${pods4}.0/24`, podCIDRs: [`${pods4}.0/24`, `${pods6}::/64`] },
    status: {
      addresses: [
        { type: 'InternalIP', address: ipv4 },
        { type: 'InternalIP', address: ipv6 },
        { type: 'Hostname', address: name },
      ],
    },
  };
}

function endpointSlices(service: Service, pods: readonly ShopPod[]): object[] {
  const { name, namespace } = service.metadata;
  const isApiServer = service.spec.selector === undefined;
  return service.spec.ipFamilies.map((addressType) => {
    const family = addressType === 'IPv4' ? 4 : 6;
    const [first] = service.spec.ports;
    const backends = first === undefined ? [] : backendsOf(service, first, family, pods, nodes[0].ipv4);
    const template = backends[0]?.pod?.template;
    return {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name: isApiServer ? name : `${name}-${addressType.toLowerCase()}`,
        namespace,
        labels: { 'kubernetes.io/service-name': name },
      },
      addressType,
      endpoints: backends.map(({ address, pod }) => ({
        addresses: [address],
        conditions: { ready: true },
        ...(pod && { nodeName: pod.node.name, targetRef: { kind: 'Pod', namespace, name: pod.name } }),
      })),
      ports: service.spec.ports.map(({ name: portName, protocol, targetPort }) => ({
        name: portName,
        protocol,
        port: template ? portNumber(targetPort, template) : apiServerPort,
      })),
    };
  });
}

/** ReplicaSets and Jobs: the step between a pod and its workload. */
function ownerObjects(pods: readonly ShopPod[]): object[] {
  const owners = Map.groupBy(
    pods.filter(({ owner }) => owner.kind === 'ReplicaSet' || owner.kind === 'Job'),
    ({ namespace, owner }) => `${namespace}/${owner.name}`,
  );
  return [...owners.values()].flatMap(([pod, ...others]) => {
    if (pod === undefined) return [];
    const { namespace, owner, workload, labels, template, startMs } = pod;
    const [, ownerName = ''] = workload.split('/');
    const isJob = owner.kind === 'Job';
    const living = [pod, ...others].filter(({ endMs }) => endMs === undefined).length;
    const uid = uidOf(`${namespace}/${owner.name}`);
    return [
      {
        apiVersion: owner.apiVersion,
        kind: owner.kind,
        metadata: {
          name: owner.name,
          namespace,
          uid,
          creationTimestamp: seconds(startMs),
          ownerReferences: [
            {
              apiVersion: owner.apiVersion,
              kind: isJob ? 'CronJob' : 'Deployment',
              name: ownerName,
              uid: uidOf(workload),
              controller: true,
            },
          ],
        },
        spec: isJob
          ? { template: { ...template, metadata: { ...template.metadata, labels } } }
          : {
              replicas: living,
              selector: { matchLabels: labels },
              template: { ...template, metadata: { ...template.metadata, labels } },
            },
      },
    ];
  });
}

function podObject(pod: ShopPod): object {
  const { namespace, name, owner, labels, template, node, ipv4, ipv6, startMs, readyMs, endMs, deletedMs } = pod;
  const started = seconds(startMs);
  const running = { startedAt: started };
  const ended = endMs === undefined ? undefined : { exitCode: 0, reason: 'Completed', finishedAt: seconds(endMs) };
  const { containers, ...spec } = template.spec;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace,
      uid: uidOf(`${namespace}/${name}`),
      labels,
      ...(template.metadata.annotations && { annotations: template.metadata.annotations }),
      creationTimestamp: started,
      ...(deletedMs !== undefined && { deletionTimestamp: seconds(deletedMs), deletionGracePeriodSeconds: 0 }),
      ownerReferences: [{ ...owner, uid: uidOf(`${namespace}/${owner.name}`), controller: true }],
    },
    spec: {
      ...spec,
      serviceAccountName: template.spec.serviceAccountName ?? 'default',
      nodeName: node.name,
      containers: containers.map(({ name: container, image, ports }) => ({
        name: container,
        image,
        ...(ports && { ports }),
      })),
    },
    status: {
      phase: ended ? 'Succeeded' : 'Running',
      hostIP: node.ipv4,
      podIP: ipv4,
      podIPs: [{ ip: ipv4 }, { ip: ipv6 }],
      startTime: started,
      conditions: [
        {
          type: 'Ready',
          status: ended ? 'False' : 'True',
          lastTransitionTime: seconds(endMs ?? readyMs ?? startMs),
        },
      ],
      containerStatuses: containers.map(({ name: container, image }) => ({
        name: container,
        image,
        ready: ended === undefined,
        restartCount: 0,
        state: ended ? { terminated: { ...ended, ...running } } : { running },
      })),
    },
  };
}
