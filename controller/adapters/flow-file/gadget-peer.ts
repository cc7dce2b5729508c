import type { Flow, FlowPeer } from '../../model/flow.ts';
import { unnamedPeer } from '../../model/flow.ts';
import type { FlowLimits } from './flow-limits.ts';
import { isObject, type JsonObject } from './json-record.ts';
import { ipField, objectField, portField, textField, textsField } from './record-fields.ts';

/** A side of a socket or packet as a gadget describes it, with what the program addressed when that was a Service. */
export interface GadgetSide {
  readonly peer: FlowPeer;
  /** The Service's port when only the Service is known. */
  readonly port: number;
  readonly addressed: Flow['addressed'];
}

/** The pod that the gadget watches: found by its namespaces in the kernel, so it is certain. */
export function watchedPeer(k8s: JsonObject | undefined, ip: string | undefined, limits: FlowLimits): FlowPeer {
  if (k8s === undefined) return { ...unnamedPeer, ip };
  const owner = objectField(k8s['owner'], 'k8s.owner');
  const kind = textField(owner?.['kind'], 'k8s.owner.kind');
  const name = textField(owner?.['name'], 'k8s.owner.name');
  return {
    ...unnamedPeer,
    ip,
    namespace: textField(k8s['namespace'], 'k8s.namespace'),
    pod: textField(k8s['podName'] ?? k8s['podname'], 'k8s.podName'),
    workload: kind === undefined || name === undefined ? undefined : { kind, name },
    labels: gadgetLabels(k8s['podLabels'], 'k8s.podLabels', limits),
    node: k8s['hostnetwork'] === true ? textField(k8s['node'], 'k8s.node') : undefined,
  };
}

/** The other side: found by its address among the gadget's pods and Services, and often not found. */
export function remoteSide(
  side: JsonObject,
  names: JsonObject | undefined,
  limits: FlowLimits,
  port: unknown,
): GadgetSide {
  const ip = ipField(side['addr'], 'addr');
  const number = portField(port, 'port');
  const namespace = textField(names?.['namespace'], 'namespace');
  const name = textField(names?.['name'], 'name');
  switch (names?.['kind']) {
    case 'svc': {
      const service = namespace === undefined || name === undefined ? undefined : { namespace, name };
      if (service === undefined) return { peer: { ...unnamedPeer, ip }, port: number, addressed: undefined };
      const addressed = ip === undefined ? undefined : { ip, port: number };
      return { peer: { ...unnamedPeer, service }, port: number, addressed };
    }
    case 'pod': {
      const labels = gadgetLabels(names['labels'] ?? names['podLabels'], 'labels', limits);
      return { peer: { ...unnamedPeer, ip, namespace, pod: name, labels }, port: number, addressed: undefined };
    }
    default:
      return { peer: { ...unnamedPeer, ip }, port: number, addressed: undefined };
  }
}

/** Labels come as one text `k=v,k=v` or as an object, by version. */
function gadgetLabels(value: unknown, field: string, limits: FlowLimits): readonly string[] | undefined {
  const list = isObject(value)
    ? Object.entries(value).map(([key, text]) => `${key}=${textField(text, `${field}.${key}`) ?? ''}`)
    : typeof value === 'string'
      ? value.split(',').filter((label) => label !== '')
      : value;
  return textsField(list, field, limits.labelsPerEndpoint, 'labels per endpoint');
}

export function isLoopback(ip: string | undefined): boolean {
  return ip !== undefined && (ip.startsWith('127.') || ip === '::1' || ip.startsWith('::ffff:127.'));
}
