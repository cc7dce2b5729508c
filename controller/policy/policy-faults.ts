import { isGeneratedLabel } from '../model/generated-labels.ts';
import { type LabelSelector, selectsEverything } from '../model/label-selector.ts';
import { isolatedDirections, type NetworkPolicy, type PolicyPeer, type PolicyPort } from '../model/network-policy.ts';
import type { PolicyDraft } from '../model/policy-draft.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import type { Evaluation } from './evaluate/evaluation.ts';
import { isIsolated, type ProofWorld } from './proof-world.ts';

const directions = ['ingress', 'egress'] as const;

/** Dialects name namespaces by label or by name: both have to mean the same, or one of them would be proved for the other. */
export function namespaceFaults(draft: PolicyDraft, world: ProofWorld): string[] {
  return [...draft.ingress, ...draft.egress]
    .flatMap(({ peers }) => peers)
    .filter((peer) => peer.kind === 'pods')
    .filter(({ namespaceSelector, namespaces }) => {
      const meant = namespaceSelector === undefined ? [draft.namespace] : world.namespacesOf(namespaceSelector);
      return meant.length !== namespaces.length || ![...namespaces].sort().every((name, i) => name === meant[i]);
    })
    .map(
      ({ namespaces, workloads }) =>
        `the namespaces of ${workloads.join(', ')} are not exactly ${namespaces.join(', ')}`,
    );
}

/** Rules that mean everybody, every port, or every address without a name for it. */
export function allowAllFaults(policies: readonly NetworkPolicy[], draft: PolicyDraft): string[] {
  return policies.flatMap(({ spec }) => [
    ...(spec.ingress ?? []).flatMap(({ from, ports }, i) =>
      ruleFaults(`ingress rule ${i + 1}`, from, ports, mayOpen(draft, 'ingress')),
    ),
    ...(spec.egress ?? []).flatMap(({ to, ports }, i) =>
      ruleFaults(`egress rule ${i + 1}`, to, ports, mayOpen(draft, 'egress')),
    ),
  ]);
}

function mayOpen(draft: PolicyDraft, direction: Direction): boolean {
  return draft[direction].some(({ because }) => because === 'open-to-world');
}

function ruleFaults(
  at: string,
  peers: readonly PolicyPeer[] = [],
  ports: readonly PolicyPort[] = [],
  openToWorld: boolean,
): string[] {
  const faults: string[] = [];
  if (peers.length === 0) faults.push(`${at} names no peer and so means all`);
  if (ports.length === 0 || ports.some(({ port }) => port === undefined)) faults.push(`${at} opens every port`);
  if (ports.some(({ port, endPort }) => port === 1 && endPort === 65_535)) faults.push(`${at} opens every port`);
  for (const { podSelector, namespaceSelector, ipBlock } of peers) {
    if (!ipBlock && (!podSelector || selectsEverything(podSelector))) faults.push(`${at} selects every pod`);
    if (namespaceSelector && selectsEverything(namespaceSelector)) faults.push(`${at} selects every namespace`);
    if (ipBlock?.cidr.endsWith('/0') && !openToWorld)
      faults.push(`${at} opens ${ipBlock.cidr} without a named allowance`);
  }
  return faults;
}

/** Directions in which the policies would let anything through. */
export function isolationFaults(
  policies: readonly NetworkPolicy[],
  own: readonly Evaluation[],
  draft: PolicyDraft,
): string[] {
  const faults = policies
    .filter(({ spec }) => isolatedDirections(spec).length < directions.length)
    .map(({ metadata }) => `${metadata.name} does not isolate both directions`);
  for (const direction of directions) {
    for (const workload of draft.workloads) {
      if (own.some((each) => isIsolated(each, direction, workload))) continue;
      faults.push(`pods of ${workload} are not isolated for ${direction}`);
    }
  }
  return faults;
}

/** Pods that are selected and should not be, or are not and should be, now or after the next rollout. */
export function subjectFaults(
  policies: readonly NetworkPolicy[],
  own: readonly Evaluation[],
  { workloads }: PolicyDraft,
  { index }: ProofWorld,
): string[] {
  const faults: string[] = [];
  const wanted = new Set(
    workloads.flatMap((key) => index.classesOf[index.position.get(key) as number] ?? []).map(({ id }) => id),
  );
  for (const { subjects } of own.flatMap(({ compiled }) => compiled.policies)) {
    const chosen = new Set(subjects);
    for (const id of subjects) {
      const workload = index.keys[index.classes[id]?.workload as number] as WorkloadKey;
      if (!wanted.has(id)) faults.push(`it selects pods of ${workload}`);
    }
    if ([...wanted].some((id) => !chosen.has(id)))
      faults.push(`it does not select every pod of ${workloads.join(', ')}`);
  }
  for (const selector of policies.flatMap(({ spec }) => [spec.podSelector, ...peerSelectors(spec)])) {
    for (const key of keysOf(selector)) if (isGeneratedLabel(key)) faults.push(`it selects by ${key}, which changes`);
  }
  return [...new Set(faults)];
}

function peerSelectors({ ingress = [], egress = [] }: NetworkPolicy['spec']): LabelSelector[] {
  const peers = [...ingress.flatMap(({ from = [] }) => from), ...egress.flatMap(({ to = [] }) => to)];
  return peers.flatMap(({ podSelector }) => podSelector ?? []);
}

function keysOf({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string[] {
  return [...Object.keys(matchLabels), ...matchExpressions.map(({ key }) => key)];
}
