import { cidrContains, cidrRange, parseCidr } from '../../../controller/model/cidr.ts';
import type { NetworkPolicy, PolicyPeer } from '../../../controller/model/network-policy.ts';
import type { WorldPlan } from './plan.ts';

/** Ports to ask of every pair: what is used, what intruders try, what infrastructure listens on, and a stray one. */
export function portsToAsk({ workloads, connections, attempts }: WorldPlan): number[] {
  const used = [
    ...workloads.flatMap(({ ports }) => ports.map(({ number }) => number)),
    ...connections.map(({ port }) => port),
    ...attempts.map(({ port }) => port),
  ];
  const neighbours = used.flatMap((port) => [port - 1, port + 1]);
  return [...new Set([...used, ...neighbours, 22, 53, 80, 443, 5353, 6443, 10250, 31337])].sort((a, b) => a - b);
}

/** External addresses to ask of every workload: those that were used, their neighbours, and ones that nobody used. */
export function strangersToAsk({ connections }: WorldPlan): string[] {
  const used = connections.flatMap(({ source, destination }) =>
    [source, destination].flatMap((party) => (party.kind === 'external' ? [party.address] : [])),
  );
  const neighbours = used.map((address) => address.replace(/.$/, (last) => (last === '1' ? '2' : '1')));
  return [...new Set([...used, ...neighbours, '169.254.169.254', '192.0.2.250', '8.0.0.1', '2001:db8:ffff::1'])];
}

/** Keys that Kubernetes or a controller makes up for each pod, run or revision (formats/07-networkpolicy.md 7.1). */
const generatedLabel =
  /^(?:pod-template-hash|rollouts-pod-template-hash|controller-revision-hash|pod-template-generation|job-name|controller-uid|statefulset\.kubernetes\.io\/pod-name|apps\.kubernetes\.io\/pod-index|batch\.kubernetes\.io\/.*)$/;

/** What a reviewer would strike out of a policy at sight, whatever the traffic was; each as a sentence. */
export function lint({ metadata, spec }: NetworkPolicy, podCidrs: readonly string[]): string[] {
  const faults: string[] = [];
  const say = (fault: string) => faults.push(`${metadata.namespace}/${metadata.name}: ${fault}`);
  const rules = [
    ...(spec.ingress ?? []).map(({ from, ports }) => ({ peers: from, ports })),
    ...(spec.egress ?? []).map(({ to, ports }) => ({ peers: to, ports })),
  ];
  const peers = rules.flatMap(({ peers: of }) => of ?? []);
  if (spec.policyTypes?.length !== 2) say('policyTypes does not name both directions');
  if (isEmpty(spec.podSelector)) say('it is for every pod of the namespace');
  if (rules.some(({ peers: of }) => (of ?? []).length === 0)) say('a rule without peers allows everybody');
  if (rules.some(({ ports }) => (ports ?? []).length === 0)) say('a rule without ports allows every port');
  if (rules.some(({ ports }) => ports?.some(({ port }) => port === undefined))) say('a port without a number');
  for (const peer of peers) {
    if (peer.ipBlock !== undefined && inPods(peer.ipBlock.cidr, podCidrs)) say(`names a pod address`);
    if (peer.ipBlock === undefined && (peer.podSelector === undefined || isEmpty(peer.podSelector)))
      say('names every pod of a namespace');
    if (peer.namespaceSelector !== undefined && isEmpty(peer.namespaceSelector)) say('names every namespace');
  }
  for (const key of [spec.podSelector, ...peers.flatMap(selectorsOf)].flatMap(keysOf)) {
    if (generatedLabel.test(key)) say(`selects by ${key}, which the next rollout changes`);
  }
  return faults;
}

function selectorsOf({ podSelector, namespaceSelector }: PolicyPeer) {
  return [podSelector, namespaceSelector].filter((selector) => selector !== undefined);
}

function keysOf({ matchLabels, matchExpressions }: NetworkPolicy['spec']['podSelector']): string[] {
  return [...Object.keys(matchLabels ?? {}), ...(matchExpressions ?? []).map(({ key }) => key)];
}

function isEmpty(selector: NetworkPolicy['spec']['podSelector']): boolean {
  return keysOf(selector).length === 0;
}

/** The first two addresses of a node's range are the node's own, for its bridge and its overlay; the others are pods'. */
function inPods(cidr: string, podCidrs: readonly string[]): boolean {
  const block = parseCidr(cidr);
  return podCidrs.some((one) => {
    const pods = parseCidr(one);
    if (block === undefined || pods === undefined || !cidrContains(pods, block)) return false;
    return cidrRange(block)[1] > pods.value + 1n;
  });
}
