import { cidrSetOf } from '../../../controller/model/cidr.ts';
import type { Cluster, Exposure, Pod, Service } from '../../../controller/model/cluster.ts';
import { apiServerEndpoint, type Endpoint } from '../../../controller/model/endpoint.ts';
import { fnv1a } from '../../../controller/model/object-name.ts';
import { protocolNumber } from '../../../controller/model/protocol.ts';
import type { AttributedPeer, Sighting } from '../../../controller/model/sighting.ts';
import type { ContainerPort, Workload } from '../../../controller/model/workload.ts';
import type { Deployed, PodLife } from './deploy.ts';
import { loadBalancerAddress, nodePortOf, serviceAddress, webhookPort } from './kubernetes-objects.ts';
import type { PlannedWorkload } from './plan.ts';
import type { Site, TrafficEvent } from './traffic.ts';

/** The cluster as an inventory without faults would read it: for tests of what comes after reading. */
export function clusterOf(deployed: Deployed): Cluster {
  const { plan, nodes, lives } = deployed;
  const apiServer = nodes[0]?.ips[0];
  return {
    namespaces: new Map(plan.namespaces.map((one) => [one.name, one])),
    workloads: new Map(plan.workloads.map((one) => [one.key, workloadOf(one)])),
    pods: lives.filter(({ fate }) => fate !== 'deleted').map(podOf),
    nodes: nodes.map(({ name, ips, podCidrs }) => ({
      name,
      labels: { 'kubernetes.io/hostname': name },
      ips,
      hostIps: ips,
      podCidrs,
    })),
    services: plan.workloads.flatMap((one, i) => servicesOf(one, i)),
    policies: [],
    webhooks: plan.workloads.flatMap((one) => {
      const port = webhookPort(one);
      if (!one.webhook || port === undefined) return [];
      return [{ workload: one.key, protocol: port.protocol, port: port.podPort, configuration: one.name }];
    }),
    exposures: plan.workloads.flatMap(exposuresOf),
    apiServer: { ips: apiServer === undefined ? [] : [apiServer], port: 6443 },
    cidrs: {
      pods: cidrSetOf('10.244.0.0/16', ...(plan.traits.dualStack ? ['fd00:10:244::/48'] : [])),
      services: cidrSetOf('10.96.0.0/16'),
      nodes: cidrSetOf(...nodes.flatMap(({ ips }) => ips)),
      complete: true,
    },
  };
}

function workloadOf(one: PlannedWorkload): Workload {
  return {
    key: one.key,
    namespace: one.namespace,
    kind: one.kind,
    name: one.name,
    selector: one.kind === 'Rollout' || one.selector === undefined ? undefined : { matchLabels: one.selector },
    podLabels: one.templateLabels,
    podAnnotations: one.annotations,
    containerPorts: containerPorts(one),
    hostNetwork: one.hostNetwork,
    serviceAccount: one.serviceAccount ?? 'default',
    mountsApiToken: true,
    replicas: one.kind === 'Deployment' || one.kind === 'StatefulSet' ? one.replicas : undefined,
    schedule: one.schedule && { expression: one.schedule.expression, timeZone: undefined, suspended: false },
    origin: '',
  };
}

function containerPorts({ ports }: PlannedWorkload): ContainerPort[] {
  return ports.map(({ number, name, protocol }) => ({ port: number, name, protocol }));
}

function podOf(life: PodLife): Pod {
  return {
    namespace: life.workload.namespace,
    name: life.name,
    workload: life.workload.key,
    labels: life.labels,
    containerPorts: containerPorts(life.workload),
    ips: life.ips,
    node: life.node.name,
    hostNetwork: life.workload.hostNetwork,
    phase: life.fate === 'finished' ? 'Succeeded' : 'Running',
    startMs: life.startMs,
    endMs: life.endMs,
    virtual: false,
  };
}

function servicesOf({ namespace, service, templateLabels }: PlannedWorkload, index: number): Service[] {
  if (service === undefined) return [];
  const balanced = service.type === 'LoadBalancer';
  return [
    {
      namespace,
      name: service.name,
      type: service.type,
      ips: service.headless ? [] : [serviceAddress(index), ...(balanced ? [loadBalancerAddress(index)] : [])],
      selector: templateLabels,
      ports: service.ports.map(({ name, protocol, port, targetPort }, i) => ({
        name,
        protocol,
        port,
        targetPort,
        nodePort: balanced ? nodePortOf(index, i) : undefined,
      })),
      backends: [],
      externalTrafficPolicy: service.externalTrafficPolicy,
    },
  ];
}

function exposuresOf({ key, namespace, service }: PlannedWorkload): Exposure[] {
  if (service?.type !== 'LoadBalancer') return [];
  return service.ports.map(({ protocol, podPort }) => ({
    workload: key,
    protocol,
    port: podPort,
    through: 'LoadBalancer',
    by: `${namespace}/Service/${service.name}`,
    hidesClients: service.externalTrafficPolicy === 'Cluster',
  }));
}

/** The event as attribution without faults would tell it. */
export function sightingOf(event: TrafficEvent): Sighting {
  return {
    timeMs: event.timeMs,
    endMs: event.timeMs,
    clientPort: event.clientPort,
    protocol: protocolNumber[event.protocol],
    directed: true,
    verdict: event.verdict,
    answered: event.verdict === 'denied' ? undefined : event.answered,
    connections: 1,
    bytes: 0,
    source: 'hubble',
    client: peerOf(event.client),
    server: peerOf(event.server),
    port: event.port,
    clientIp: event.client.ip,
    serverDnsNames: undefined,
  };
}

const peers = new WeakMap<object, AttributedPeer>();

/** The same peer object for the same pod or node again, as attribution promises. */
function peerOf(site: Site): AttributedPeer {
  const identity = site.kind === 'pod' ? site.life : site.kind === 'external' ? site : site.node;
  if (site.kind === 'apiserver' || site.kind === 'external') return { endpoint: endpointOf(site), replica: 0 };
  const known = peers.get(identity);
  if (known !== undefined) return known;
  const replica = site.kind === 'pod' ? fnv1a(`${site.life.workload.namespace}/${site.life.name}`) : 0;
  const node = site.kind === 'pod' ? { node: site.life.node.name } : {};
  const peer = { endpoint: endpointOf(site), replica, ...node };
  peers.set(identity, peer);
  return peer;
}

function endpointOf(site: Site): Endpoint {
  switch (site.kind) {
    case 'pod':
      return site.life.workload.hostNetwork
        ? { kind: 'node', name: site.life.node.name }
        : { kind: 'workload', workload: site.life.workload.key };
    case 'node':
      return { kind: 'node', name: site.node.name };
    case 'apiserver':
      return apiServerEndpoint;
    case 'external':
      return { kind: 'external', address: site.ip };
  }
}
