import { formatIp, type IpAddress, parseCidr, parseIp } from '../controller/model/cidr.ts';
import { type Problem, problem } from '../controller/model/problem.ts';
import type { WorkloadKey, WorkloadRef } from '../controller/model/workload.ts';
import { type ClusterIndex, isLive } from '../controller/policy/evaluate/cluster-index.ts';
import type { Party } from '../controller/policy/evaluate/views.ts';

/** What a person means by `namespace/name`, `namespace/kind/name` or an address, or why nobody can tell. */
export function resolveParty(index: ClusterIndex, text: string): Party | Problem {
  const ip = parseIp(text);
  if (ip) return resolveAddress(index, ip);
  if (parseCidr(text)) {
    return problem('ArgumentInvalid', `${text} is a range: name one address of it`);
  }
  const parts = text.split('/');
  const [namespace = '', second = '', third] = parts;
  if (parts.length < 2 || parts.length > 3 || parts.includes('')) {
    return problem(
      'ArgumentInvalid',
      `${JSON.stringify(text)} is no workload: expected namespace/name, namespace/kind/name or an address${didYouMean(index, second || namespace)}`,
    );
  }
  const name = third ?? second;
  const found = index.keys.filter((_, position) => {
    const workload = index.workloads[position] as WorkloadRef;
    if (workload.namespace !== namespace || workload.name !== name) return false;
    return third === undefined || isKind(workload.kind, second);
  });
  return only(found, text) ?? problem('WorkloadNotFound', `no workload ${text}${didYouMean(index, name)}`);
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

function resolveAddress({ cluster, keys }: ClusterIndex, ip: IpAddress): Party | Problem {
  const text = formatIp(ip);
  const owners = cluster.pods.filter((pod) => isLive(pod) && !pod.hostNetwork && pod.ips.includes(text));
  const workloads = new Set(owners.map(({ workload }) => workload));
  const owner = only(
    keys.filter((key) => workloads.has(key)),
    text,
  );
  if (owner) return 'code' in owner ? owner : { ...owner, address: ip };
  const node = cluster.nodes.find(({ ips }) => ips.includes(text));
  if (node) return { kind: 'node', name: node.name, address: ip };
  const service = cluster.services.find(({ ips }) => ips.includes(text));
  if (!service) return { kind: 'address', ip };
  return problem(
    'ArgumentInvalid',
    `${text} is the address of the Service ${service.namespace}/${service.name}: policies act on the pods behind it, so ask for one of its workloads and their own port`,
  );
}

const shortKinds: Readonly<Record<string, string>> = {
  deploy: 'deployment',
  sts: 'statefulset',
  ds: 'daemonset',
  rs: 'replicaset',
  cj: 'cronjob',
  po: 'pod',
};

function isKind(kind: string, asked: string): boolean {
  const lower = asked.toLowerCase();
  const wanted = shortKinds[lower] ?? lower;
  return [wanted, wanted.replace(/s$/, '')].includes(kind.toLowerCase());
}

/** The workloads whose names are nearest, at most three. */
function didYouMean({ keys, workloads }: ClusterIndex, name: string): string {
  const near = keys
    .map((key, position) => ({ key, distance: editDistance(name, workloads[position]?.name ?? '') }))
    .filter(({ key, distance }) => distance <= Math.max(2, name.length / 3) || (name !== '' && key.includes(name)))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3);
  return near.length === 0 ? '' : `; did you mean ${near.map(({ key }) => key).join(', ')}?`;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
