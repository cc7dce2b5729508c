import type { FlowPeer, ReservedEndpoint } from '../../model/flow.ts';
import type { FlowLimits } from './flow-limits.ts';
import type { JsonObject } from './json-record.ts';
import { dnsNamesField, objectField, textField, textsField } from './record-fields.ts';
import { UnusableRecord, shown } from './unusable-record.ts';

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

/** One side of a Hubble flow. `node` is the reporting node: the host that Hubble speaks of is always that one. */
export function hubblePeer(
  endpoint: unknown,
  side: string,
  ip: string | undefined,
  names: unknown,
  frontend: unknown,
  node: string,
  limits: FlowLimits,
): FlowPeer {
  const fields = objectField(endpoint, side);
  const labels = labelsOf(fields?.['labels'], side, limits.labelsPerEndpoint);
  const pod = textField(fields?.['pod_name'], `${side}.pod_name`);
  const reserved = reservedOf(labels, fields);
  // Hubble names a Service only where the packet still carried the Service's address, so no backend is known then.
  const service = frontend === undefined || pod !== undefined ? undefined : serviceOf(frontend, side);
  return {
    ip: service === undefined ? ip : undefined,
    namespace: textField(fields?.['namespace'], `${side}.namespace`),
    pod,
    podPrefix: undefined,
    workload: fields === undefined ? undefined : workloadOf(fields['workloads'], side),
    labels,
    reserved,
    node: reserved === 'host' && node !== '' ? node : undefined,
    service,
    dnsNames: names === undefined ? undefined : dnsNamesField(names, `${side}_names`, limits.dnsNamesPerEndpoint),
  };
}

function labelsOf(value: unknown, side: string, limit: number): readonly string[] | undefined {
  return value === undefined ? undefined : textsField(value, `${side}.labels`, limit, 'labels per endpoint');
}

function reservedOf(
  labels: readonly string[] | undefined,
  fields: JsonObject | undefined,
): ReservedEndpoint | undefined {
  if (labels === undefined) return fields === undefined ? undefined : reservedIdentities.get(fields['identity']);
  for (const label of labels) {
    if (!label.startsWith('reserved:')) continue;
    return reservedLabels.find(([reserved]) => labels.includes(reserved))?.[1];
  }
  return undefined;
}

function workloadOf(value: unknown, side: string): { readonly kind: string; readonly name: string } | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new UnusableRecord(`${side}.workloads: expected a list, got ${shown(value)}`);
  const first = objectField((value as unknown[])[0], `${side}.workloads[0]`);
  if (first === undefined) return undefined;
  const kind = textField(first['kind'], `${side}.workloads[0].kind`);
  const name = textField(first['name'], `${side}.workloads[0].name`);
  return kind === undefined || name === undefined ? undefined : { kind, name };
}

function serviceOf(value: unknown, side: string): { readonly namespace: string; readonly name: string } | undefined {
  const fields = objectField(value, `${side}_service`);
  if (fields === undefined) return undefined;
  const namespace = textField(fields['namespace'], `${side}_service.namespace`);
  const name = textField(fields['name'], `${side}_service.name`);
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}
