import {
  type CidrSet,
  cidrSet,
  countAddresses,
  intersectAddresses,
  isEmptyAddresses,
  noAddresses,
  parseCidr,
  subtractAddresses,
  unionAddresses,
} from '../model/cidr.ts';
import type { LabelSelector } from '../model/label-selector.ts';
import type { NetworkPolicy, PolicyPeer, PolicyPort } from '../model/network-policy.ts';
import { countPorts, highestPort, isPort, portSet } from '../model/port-set.ts';
import { policyProtocols } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { managedLabels } from './dialects/ordered.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import { isReservedName, policyNamePrefix, policyNames } from './policy-names.ts';
import type { ProofWorld } from './proof-world.ts';

/** What keeps policies that a person wrote from being nanoseg's own: their namespace, their names, their label. */
export function identityFaults(
  policies: readonly NetworkPolicy[],
  namespace: string,
  workloads: readonly WorkloadKey[],
  { index }: ProofWorld,
): string[] {
  const others = new Map(
    [...policyNames(index.cluster)]
      .filter(([key]) => index.cluster.workloads.get(key)?.namespace === namespace && !workloads.includes(key))
      .map(([key, name]) => [name, key]),
  );
  const faults = policies.length === 0 ? ['it holds no policy'] : [];
  const names = new Set<string>();
  for (const { metadata } of policies) {
    const { name, labels = {} } = metadata;
    if (metadata.namespace !== namespace)
      faults.push(`${name} is in namespace ${metadata.namespace}, not in ${namespace}`);
    if (!name.startsWith(policyNamePrefix)) faults.push(`the name ${name} does not begin with ${policyNamePrefix}`);
    if (isReservedName(name)) faults.push(`the name ${name} has a meaning of its own`);
    const other = others.get(name);
    if (other !== undefined) faults.push(`${name} is the policy of ${other}`);
    if (names.has(name)) faults.push(`two policies have the name ${name}`);
    names.add(name);
    for (const [key, value] of Object.entries(managedLabels)) {
      if (labels[key] !== value) faults.push(`${name} lacks the label ${key}: ${value}`);
    }
  }
  return faults;
}

/** All but so few ports or addresses are all of them, however they are written. */
const fewPorts = 1000;
const halfOf4 = 1n << 31n;
const halfOf6 = 1n << 127n;

/**
 * Rules of a person's that mean everybody, every port or the whole world, in whatever way they say it. `openToWorld`:
 * directions in which nanoseg itself would open the workload to the world; the cluster's own pods are never part of that.
 */
export function openEndedFaults(
  policies: readonly NetworkPolicy[],
  openToWorld: ReadonlySet<Direction>,
  { index }: ProofWorld,
): string[] {
  const faults: string[] = [];
  for (const direction of ['ingress', 'egress'] as const) {
    let addresses: CidrSet = noAddresses;
    for (const { metadata, spec } of policies) {
      const rules =
        direction === 'ingress'
          ? (spec.ingress ?? []).map(({ from, ports }) => ({ peers: from ?? [], ports: ports ?? [] }))
          : (spec.egress ?? []).map(({ to, ports }) => ({ peers: to ?? [], ports: ports ?? [] }));
      for (const [i, { peers, ports }] of rules.entries()) {
        const found = [...peerFaults(peers), ...portFaults(ports)];
        faults.push(...found.map((fault) => `${direction} rule ${i + 1} of ${metadata.name} ${fault}`));
        addresses = peers.map(blockOf).reduce(unionAddresses, addresses);
      }
    }
    const fault = worldFault(addresses, openToWorld.has(direction), index.cluster.cidrs.pods);
    if (fault !== undefined) faults.push(`${direction} ${fault}`);
  }
  return faults;
}

function peerFaults(peers: readonly PolicyPeer[]): string[] {
  if (peers.length === 0) return ['names no peer and so means all'];
  return peers.flatMap(({ podSelector, namespaceSelector, ipBlock }) => {
    if (ipBlock) return [];
    if (namespaceSelector && !namesValues(namespaceSelector)) {
      return ['selects namespaces without the value of any label, and so every namespace to come'];
    }
    if (namespaceSelector || (podSelector && namesValues(podSelector))) return [];
    return ['selects pods without the value of any label, and so every pod to come'];
  });
}

/** Whether it says of some label what it must be: all else selects whatever is not thought of. */
function namesValues({ matchLabels = {}, matchExpressions = [] }: LabelSelector): boolean {
  return Object.keys(matchLabels).length > 0 || matchExpressions.some(({ operator }) => operator === 'In');
}

function portFaults(ports: readonly PolicyPort[]): string[] {
  if (ports.length === 0 || ports.some(({ port }) => port === undefined)) return ['opens every port'];
  return policyProtocols.flatMap((wanted) => {
    const intervals = ports.flatMap(({ protocol = 'TCP', port, endPort = port }): [number, number][] =>
      protocol === wanted && isPort(port) && isPort(endPort) && endPort >= port ? [[port, endPort]] : [],
    );
    const closed = highestPort - countPorts(portSet(intervals));
    return closed < fewPorts ? [`opens all but ${closed} ports of ${wanted}`] : [];
  });
}

function blockOf({ ipBlock }: PolicyPeer): CidrSet {
  const block = ipBlock && parseCidr(ipBlock.cidr);
  if (!block) return noAddresses;
  const except = (ipBlock.except ?? []).map(parseCidr).filter((hole) => hole !== undefined);
  return subtractAddresses(cidrSet([block]), cidrSet(except));
}

function worldFault(addresses: CidrSet, openToWorld: boolean, pods: CidrSet): string | undefined {
  const wide =
    countAddresses({ v4: addresses.v4, v6: [] }) >= halfOf4 || countAddresses({ v4: [], v6: addresses.v6 }) >= halfOf6;
  if (!wide) return undefined;
  if (!openToWorld) return 'rules open half of all addresses or more without a named allowance';
  return isEmptyAddresses(intersectAddresses(addresses, pods))
    ? undefined
    : 'rules open the world without leaving out the pods of the cluster';
}
