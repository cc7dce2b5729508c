import { formatIp, type IpAddress, parseCidr, parseIp } from '../model/cidr.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { WorkloadKey, WorkloadRef } from '../model/workload.ts';
import { type ClusterIndex, isLive } from '../policy/evaluate/cluster-index.ts';
import type { Party } from '../policy/evaluate/views.ts';
import { isKind } from './kind-names.ts';
import { didYouMean, nearNames } from './near-names.ts';

/**
 * What a person means by `namespace/name`, `namespace/kind/name` or an address, or why nobody can tell. What they may not see
 * is as if it were not there.
 */
export function resolveParty(
  index: ClusterIndex,
  text: string,
  maySee: (namespace: string) => boolean = () => true,
): Party | Problem {
  const ip = parseIp(text);
  if (ip) return resolveAddress(index, ip, maySee);
  if (parseCidr(text)) {
    return problem('ArgumentInvalid', `${text} is a range: name one address of it`);
  }
  const parts = text.split('/');
  const [namespace = '', second = '', third] = parts;
  if (parts.length < 2 || parts.length > 3 || parts.includes('')) {
    return problem(
      'ArgumentInvalid',
      `${JSON.stringify(text)} is no workload: expected namespace/name, namespace/kind/name or an address${nearest(index, second || namespace, maySee)}`,
    );
  }
  const name = third ?? second;
  const found = index.keys.filter((_, position) => {
    const workload = index.workloads[position] as WorkloadRef;
    if (workload.namespace !== namespace || workload.name !== name || !maySee(namespace)) return false;
    return third === undefined || isKind(workload.kind, second);
  });
  return only(found, text) ?? problem('WorkloadNotFound', `no workload ${text}${nearest(index, name, maySee)}`);
}

function only(
  found: readonly WorkloadKey[],
  text: string,
): (Party & { readonly kind: 'workload' }) | Problem | undefined {
  const [workload, ...others] = found;
  if (workload === undefined) return undefined;
  if (others.length === 0) return { kind: 'workload', workload };
  return problem('WorkloadAmbiguous', `${text} may be any of ${found.join(', ')}`);
}

function resolveAddress(
  { cluster, keys }: ClusterIndex,
  ip: IpAddress,
  maySee: (namespace: string) => boolean,
): Party | Problem {
  const text = formatIp(ip);
  const owners = cluster.pods.filter((pod) => isLive(pod) && !pod.hostNetwork && pod.ips.includes(text));
  if (owners.some(({ namespace }) => !maySee(namespace))) {
    return problem('WorkloadNotFound', `no workload that you may see has the address ${text}`);
  }
  const workloads = new Set(owners.map(({ workload }) => workload));
  const owner = only(
    keys.filter((key) => workloads.has(key)),
    text,
  );
  if (owner) return 'code' in owner ? owner : { ...owner, address: ip };
  const node = cluster.nodes.find(({ ips }) => ips.includes(text));
  if (node) return { kind: 'node', name: node.name, address: ip };
  const service = cluster.services.find(({ ips }) => ips.includes(text));
  if (!service || !maySee(service.namespace)) return { kind: 'address', ip };
  return problem(
    'ArgumentInvalid',
    `${text} is the address of the Service ${service.namespace}/${service.name}: policies act on the pods behind it, so ask for one of its workloads and their own port`,
  );
}

/** The workloads whose names are nearest. */
function nearest({ keys, workloads }: ClusterIndex, name: string, maySee: (namespace: string) => boolean): string {
  const names = new Map(
    keys.flatMap((key, position): [string, string][] => {
      const workload = workloads[position];
      return workload && maySee(workload.namespace) ? [[key, workload.name]] : [];
    }),
  );
  return didYouMean(nearNames([...names.keys()], name, (key) => names.get(key) ?? ''));
}
