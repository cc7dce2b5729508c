import { type Cidr, cidrSet, hasAddress, parseCidr, parseIp } from '../../model/cidr.ts';
import type { ClusterCidrs, Node, Pod } from '../../model/cluster.ts';
import type { Problem } from '../../model/problem.ts';
import { groupOf, type LocatedObject } from './located-object.ts';
import { ciliumNodeFields, configMapFields, ipPoolFields, podFields, serviceCidrFields } from './object-schemas.ts';
import { readFields } from './read-fields.ts';

/**
 * The cluster's own ranges, from everything in an inventory that states them. Ranges of single nodes count as inside, but
 * never as all there is: nodes that are gone had others.
 */
export function clusterCidrsOf(
  objects: readonly LocatedObject[],
  nodes: readonly Node[],
  pods: readonly Pod[],
  problems: Problem[],
): ClusterCidrs {
  const stated = objects.map((object) => statedRanges(object, problems));
  const wholePods = stated.flatMap((ranges) => ranges.pods ?? []).flatMap(blocksOf);
  const services = stated.flatMap((ranges) => ranges.services ?? []).flatMap(blocksOf);
  const nodePods = [...nodes.flatMap(({ podCidrs }) => podCidrs), ...stated.flatMap(({ node }) => node ?? [])];
  const podSet = cidrSet([...wholePods, ...nodePods.flatMap(blocksOf)]);
  const podsInside = pods.every(
    ({ hostNetwork, ips }) =>
      hostNetwork ||
      ips.every((ip) => {
        const address = parseIp(ip);
        return address !== undefined && hasAddress(podSet, address);
      }),
  );
  return {
    pods: podSet,
    services: cidrSet(services),
    nodes: cidrSet(nodes.flatMap(({ ips }) => ips).flatMap(blocksOf)),
    complete: wholePods.length > 0 && services.length > 0 && podsInside,
  };
}

interface StatedRanges {
  readonly pods?: readonly string[];
  readonly services?: readonly string[];
  /** The pod range of one node. */
  readonly node?: readonly string[];
}

function statedRanges(object: LocatedObject, problems: Problem[]): StatedRanges {
  switch (`${groupOf(object.apiVersion)}/${object.kind}`) {
    case 'networking.k8s.io/ServiceCIDR':
      return { services: readFields(serviceCidrFields, object, problems)?.spec.cidrs ?? [] };
    case 'crd.projectcalico.org/IPPool':
    case 'projectcalico.org/IPPool': {
      const pool = readFields(ipPoolFields, object, problems);
      return { pods: pool ? [pool.spec.cidr] : [] };
    }
    case 'cilium.io/CiliumNode':
      return { node: readFields(ciliumNodeFields, object, problems)?.spec?.ipam?.podCIDRs ?? [] };
    case '/ConfigMap':
      return object.namespace.startsWith('kube-') ? byConfigMap(object, problems) : {};
    case '/Pod':
      return object.namespace === 'kube-system' ? byCommandLine(object) : {};
    default:
      return {};
  }
}

/** Which field of which well-known ConfigMap states which ranges; the fields hold YAML or JSON of their own. */
const configMapRanges: readonly {
  readonly name: string;
  readonly field: string;
  readonly pattern: RegExp;
  readonly states: 'pods' | 'services';
}[] = [
  { name: 'kubeadm-config', field: 'ClusterConfiguration', pattern: /^\s*podSubnet:\s*(.+)$/m, states: 'pods' },
  { name: 'kubeadm-config', field: 'ClusterConfiguration', pattern: /^\s*serviceSubnet:\s*(.+)$/m, states: 'services' },
  { name: 'kube-proxy', field: 'config.conf', pattern: /^clusterCIDR:\s*(.+)$/m, states: 'pods' },
  { name: 'kube-flannel-cfg', field: 'net-conf.json', pattern: /"Network":\s*"([^"]+)"/, states: 'pods' },
  { name: 'kube-flannel-cfg', field: 'net-conf.json', pattern: /"IPv6Network":\s*"([^"]+)"/, states: 'pods' },
  { name: 'cilium-config', field: 'cluster-pool-ipv4-cidr', pattern: /(.+)/, states: 'pods' },
  { name: 'cilium-config', field: 'cluster-pool-ipv6-cidr', pattern: /(.+)/, states: 'pods' },
];

function byConfigMap(object: LocatedObject, problems: Problem[]): StatedRanges {
  const entries = configMapRanges.filter(({ name }) => name === object.name);
  if (entries.length === 0) return {};
  const data = readFields(configMapFields, object, problems)?.data ?? {};
  const read = (states: 'pods' | 'services') =>
    entries
      .filter((entry) => entry.states === states)
      .flatMap(({ field, pattern }) => pattern.exec(data[field] ?? '')?.[1] ?? []);
  return { pods: read('pods'), services: read('services') };
}

/** The flags of kube-controller-manager and kube-apiserver, wherever a container of kube-system is started with them. */
function byCommandLine(object: LocatedObject): StatedRanges {
  const words = commandLine(object);
  const flag = (name: string) =>
    words.flatMap((word, i) => {
      if (word.startsWith(`--${name}=`)) return [word.slice(name.length + 3)];
      return word === `--${name}` ? [words[i + 1] ?? ''] : [];
    });
  return { pods: flag('cluster-cidr'), services: flag('service-cluster-ip-range') };
}

function commandLine(pod: LocatedObject): string[] {
  return (readFields(podFields, pod, [])?.spec.containers ?? []).flatMap(({ command, args }) => [
    ...(command ?? []),
    ...(args ?? []),
  ]);
}

/** `10.244.0.0/16,fd00:10::/48`, quoted or not; what is no CIDR is not a range. */
function blocksOf(text: string): Cidr[] {
  return text.split(/[\s,"']+/).flatMap((part) => (part === '' ? [] : (parseCidr(part) ?? [])));
}
