import type { z } from 'zod';
import { canonicalIp, cidrRange, formatIp, parseCidr } from '../../model/cidr.ts';
import type { Node } from '../../model/cluster.ts';
import type { Labels } from '../../model/label-selector.ts';
import type { Problem } from '../../model/problem.ts';
import { type LocatedObject, remembered } from './located-object.ts';
import { nodeFields } from './object-schemas.ts';
import { hostAnnotations, podNetworkAnnotations } from './read-annotations.ts';
import { readFields } from './read-fields.ts';

/** The nodes with their addresses, those at the foot of their pod ranges included (bridge and overlay interfaces). */
export function readNodes(objects: readonly LocatedObject[], problems: Problem[]): Node[] {
  return objects
    .filter(({ kind, apiVersion }) => kind === 'Node' && apiVersion === 'v1')
    .flatMap((object) => {
      const fields = readFields(nodeFields, object, problems);
      return fields ? [remembered(object, readNodes, () => nodeOf(object.name, fields))] : [];
    });
}

function nodeOf(name: string, { metadata, spec, status }: z.infer<typeof nodeFields>): Node {
  const podCidrs = [...new Set([...(spec?.podCIDRs ?? []), ...(spec?.podCIDR ? [spec.podCIDR] : [])])];
  const addresses = (status?.addresses ?? []).filter(({ type }) => type === 'InternalIP' || type === 'ExternalIP');
  const annotations = metadata.annotations ?? {};
  const hostIps = [
    ...addresses.map(({ address }) => canonicalIp(address)),
    ...annotatedAddresses(annotations, hostAnnotations),
  ];
  const ips = [...hostIps, ...annotatedAddresses(annotations, podNetworkAnnotations), ...podCidrs.flatMap(footOf)];
  const createdMs = metadata.creationTimestamp ?? undefined;
  return {
    name,
    labels: metadata.labels ?? {},
    ips: distinct(ips),
    hostIps: distinct(hostIps),
    podCidrs,
    ...(createdMs !== undefined && { createdMs }),
  };
}

function distinct(ips: readonly (string | undefined)[]): string[] {
  return [...new Set(ips.filter((ip) => ip !== undefined))];
}

function annotatedAddresses(annotations: Labels, keys: readonly string[]): (string | undefined)[] {
  return keys.map((key) => {
    const text = Object.hasOwn(annotations, key) ? annotations[key] : undefined;
    return text === undefined ? undefined : canonicalIp(text.replace(/\/\d+$/, ''));
  });
}

/** The range's own address (an overlay's interface) and the first after it (a bridge's): nodes take them, pods do not. */
function footOf(podCidr: string): string[] {
  const block = parseCidr(podCidr);
  if (block === undefined) return [];
  const [from, to] = cidrRange(block);
  return [from, from + 1n].filter((value) => value <= to).map((value) => formatIp({ family: block.family, value }));
}

/** Nodes without addresses that pods were seen to own: then the plugin hands the foot of the range out like any other. */
export function withoutPodAddresses(nodes: readonly Node[], podIps: ReadonlySet<string>): Node[] {
  return nodes.map((node) => {
    const feet = new Set(node.podCidrs.flatMap(footOf));
    return { ...node, ips: node.ips.filter((ip) => !(feet.has(ip) && podIps.has(ip))) };
  });
}
