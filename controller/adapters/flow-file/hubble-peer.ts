import type { FlowPeer, ReservedEndpoint } from '../../model/flow.ts';
import type { FlowLimits } from './flow-limits.ts';
import { dnsNamesField, isIp, objectField, textField, textsField } from './record-fields.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/** What an `Endpoint` of Hubble says by itself, without the packet around it. */
export interface HubbleEndpoint {
  readonly namespace: string | undefined;
  readonly pod: string | undefined;
  readonly workload: FlowPeer['workload'];
  readonly labels: readonly string[] | undefined;
  readonly reserved: ReservedEndpoint | undefined;
}

/** Identity numbers that Cilium reserves; those of 256 and more are allocated and say nothing by themselves. */
const reservedIdentities: ReadonlyMap<unknown, ReservedEndpoint> = new Map<unknown, ReservedEndpoint>([
  [1, 'host'],
  [2, 'world'],
  [3, 'unmanaged'],
  [4, 'health'],
  [6, 'remote-node'],
  [7, 'kube-apiserver'],
  [8, 'ingress'],
  [9, 'world'],
  [10, 'world'],
]);

/** Where several reserved labels sit together, the first of these that is among them tells most. */
const reservedLabels: readonly (readonly [label: string, meaning: ReservedEndpoint])[] = [
  ['reserved:kube-apiserver', 'kube-apiserver'],
  ['reserved:remote-node', 'remote-node'],
  ['reserved:host', 'host'],
  ['reserved:ingress', 'ingress'],
  ['reserved:health', 'health'],
  ['reserved:unmanaged', 'unmanaged'],
  ['reserved:world', 'world'],
  ['reserved:world-ipv4', 'world'],
  ['reserved:world-ipv6', 'world'],
];

export function hubbleEndpoint(value: unknown, side: string, limits: FlowLimits): HubbleEndpoint {
  const fields = objectField(value, side);
  return endpointOf({
    namespace: textField(fields?.['namespace'], `${side}.namespace`),
    pod: textField(fields?.['pod_name'], `${side}.pod_name`),
    workload: workloadOf(fields?.['workloads'], side),
    labels: textsField(fields?.['labels'], `${side}.labels`, limits.labelsPerEndpoint, 'labels per endpoint'),
    identity: fields?.['identity'],
  });
}

/** The fields of an `Endpoint`, whichever way they were encoded; empty ones are undefined. */
export interface EndpointFields extends Omit<HubbleEndpoint, 'reserved'> {
  readonly identity: unknown;
}

export function endpointOf({ namespace, pod, workload, labels, identity }: EndpointFields): HubbleEndpoint {
  return {
    namespace: namespace ?? namespaceOf(labels),
    pod,
    workload,
    labels,
    reserved: reservedOf(labels, identity),
  };
}

const namespaceLabel = 'k8s:io.kubernetes.pod.namespace=';

/** The identity is that of pods of this namespace also where Hubble knows no pod, as for what its proxy sends for one. */
function namespaceOf(labels: readonly string[] | undefined): string | undefined {
  return labels?.find((label) => label.startsWith(namespaceLabel))?.slice(namespaceLabel.length);
}

function reservedOf(labels: readonly string[] | undefined, identity: unknown): HubbleEndpoint['reserved'] {
  if (labels === undefined) return reservedIdentities.get(identity);
  if (!labels.some((label) => label.startsWith('reserved:'))) return undefined;
  return reservedLabels.find(([reserved]) => labels.includes(reserved))?.[1];
}

function workloadOf(value: unknown, side: string): FlowPeer['workload'] {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new UnusableRecord(`${side}.workloads: expected a list, got ${shown(value)}`);
  const first = objectField((value as unknown[])[0], `${side}.workloads[0]`);
  const kind = textField(first?.['kind'], `${side}.workloads[0].kind`);
  const name = textField(first?.['name'], `${side}.workloads[0].name`);
  return kind === undefined || name === undefined ? undefined : { kind, name };
}

/** What Hubble says about one side beside its endpoint and address. */
export interface HubbleHints {
  readonly dnsNames: FlowPeer['dnsNames'];
  readonly service: FlowPeer['service'];
}

export function hubbleHints(names: unknown, service: unknown, side: string, limits: FlowLimits): HubbleHints {
  return {
    dnsNames: dnsNamesField(names, `${side}_names`, limits.dnsNamesPerEndpoint),
    service: serviceOf(service, side),
  };
}

function serviceOf(value: unknown, side: string): FlowPeer['service'] {
  const fields = objectField(value, `${side}_service`);
  const namespace = textField(fields?.['namespace'], `${side}_service.namespace`);
  const name = textField(fields?.['name'], `${side}_service.name`);
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}

/** One side of a flow. `node` is the reporting node: the host that Hubble speaks of is always that one. */
export function hubblePeer(
  endpoint: HubbleEndpoint,
  ip: string | undefined,
  hints: HubbleHints,
  node: string,
): FlowPeer {
  const { namespace, pod, workload, labels } = endpoint;
  // Hubble names a Service only where the packet still carried the Service's address, so no backend is known then.
  const service = pod === undefined ? hints.service : undefined;
  // Such an address is the world's or a node's by its identity, but it is the Service that was meant.
  const reserved = service === undefined ? endpoint.reserved : undefined;
  return {
    ip: service === undefined ? ip : undefined,
    namespace,
    pod,
    podPrefix: undefined,
    workload,
    labels,
    reserved,
    node: reserved === 'host' && node !== '' ? node : undefined,
    service,
    dnsNames: hints.dnsNames,
  };
}

export const noHints: HubbleHints = { dnsNames: undefined, service: undefined };

/** An endpoint that is met again and again, with the peer that was made of it last. */
export interface RememberedEndpoint {
  readonly endpoint: HubbleEndpoint;
  /** For the next flow with the same address. */
  peer: FlowPeer | undefined;
  node: string;
}

/** The same object again for the same endpoint and address. Undefined when the address is none. */
export function rememberedPeer(
  known: RememberedEndpoint,
  ip: string,
  hints: HubbleHints,
  node: string,
): FlowPeer | undefined {
  const { peer } = known;
  const isSameHost = known.endpoint.reserved !== 'host' || known.node === node;
  if (peer !== undefined && peer.ip === ip && hints === noHints && isSameHost) return peer;
  if (!isIp(ip)) return undefined;
  const made = hubblePeer(known.endpoint, ip, hints, node);
  if (hints === noHints) {
    known.peer = made;
    known.node = node;
  }
  return made;
}
