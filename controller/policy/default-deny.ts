import { type Connection, isEvidence } from '../model/connection.ts';
import { counted } from '../model/counted.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { Proof, WouldDeny } from '../model/proposal.ts';
import { policyProtocolOf } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import { managedLabels } from './dialects/ordered.ts';
import { compilePolicies, type Direction } from './evaluate/compile-policies.ts';
import { type Evaluation, evaluation } from './evaluate/evaluation.ts';
import { otherSide } from './own-evidence.ts';
import { defaultDenyName, learningNamePrefix } from './policy-names.ts';
import { proofCheck } from './proof-checks.ts';
import type { ProofWorld } from './proof-world.ts';
import { reachableOf } from './reachable-pairs.ts';
import { renderYaml } from './render-yaml.ts';
import { connectionWords } from './rule-words.ts';
import { subjectVerdict } from './subject-verdict.ts';

const directions = ['ingress', 'egress'] as const;

/** Isolates every pod of a namespace in both directions and allows nothing: what other policies allow stays allowed. */
export function defaultDeny(namespace: string): NetworkPolicy {
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: defaultDenyName, namespace, labels: managedLabels },
    spec: { podSelector: {}, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] },
  };
}

/** The same as text, with what it means over it. */
export function defaultDenyYaml(namespace: string): string {
  const policy = defaultDeny(namespace);
  const head = [
    `nanoseg: closes namespace ${namespace} to what comes later; every pod that is there has a policy of its own`,
    'a new workload may talk to nobody, and nobody to it, until a policy of its own allows it',
  ];
  return renderYaml(policy, new Map([[policy, head]]));
}

/**
 * Directions in which pods of a namespace, those that there are or the next ones of their templates, are not isolated yet;
 * pods on the host network, which no policy can isolate, are not asked for. In words, and empty when the namespace may be
 * closed. `policies` are all that are in force; a default-deny and learning allowances among them are not counted.
 */
export function openPods(namespace: string, policies: readonly NetworkPolicy[], world: ProofWorld): string[] {
  const { index } = world;
  const lasting = policies.filter(({ metadata }) => !metadata.name.startsWith(learningNamePrefix));
  const { isolating } = inForce(namespace, lasting, world).compiled;
  const open = index.classes.flatMap(({ id, hostNetwork, namespace: own, workload }) =>
    hostNetwork || own !== namespace
      ? []
      : directions
          .filter((direction) => !isolating[direction].has(id))
          .map((direction) => `pods of ${index.keys[workload]} are not isolated for ${direction}`),
  );
  return [...new Set(open)];
}

export interface DefaultDenyInput {
  readonly namespace: string;
  /** All policies in force, whoever wrote them. */
  readonly policies: readonly NetworkPolicy[];
  /** All connections from and to the workloads of the namespace, each once. */
  readonly connections: readonly Connection[];
}

/** Proves that closing a namespace changes nothing for what is there already. */
export function proveDefaultDeny({ namespace, policies, connections }: DefaultDenyInput, world: ProofWorld): Proof {
  const { index, cni } = world;
  const before = inForce(namespace, policies, world);
  const closed = evaluation(
    index,
    compilePolicies(index, [...others(namespace, policies), defaultDeny(namespace)]),
    cni,
  );
  const workloads = index.keys.filter((_, i) => index.workloads[i]?.namespace === namespace);
  const wouldDeny = newlyDenied(workloads, connections, before, closed, world);
  const reachableBefore = reachableOf(workloads, before, undefined);
  const reachableAfter = reachableOf(workloads, closed, undefined);
  const pairs = counted(reachableAfter, 'pair');
  const checks = [
    proofCheck(
      'evidence-allowed',
      wouldDeny.map(({ message }) => message),
      'no connection of the window becomes denied',
    ),
    proofCheck(
      'no-over-grant',
      reachableAfter === reachableBefore
        ? []
        : [`${reachableBefore} pairs could reach each other, and ${pairs} could then`],
      `${pairs} can reach each other, as before`,
    ),
    proofCheck(
      'isolated',
      workloads.length === 0 ? [`namespace ${namespace} has no workload`] : openPods(namespace, policies, world),
      'every pod is isolated in both directions by another policy already',
    ),
  ];
  const valid = checks.every(({ passed }) => passed);
  return { valid, checks, overGrants: [], wouldDeny, reachableBefore, reachableAfter };
}

function others(namespace: string, policies: readonly NetworkPolicy[]): NetworkPolicy[] {
  return policies.filter(({ metadata }) => metadata.namespace !== namespace || metadata.name !== defaultDenyName);
}

function inForce(namespace: string, policies: readonly NetworkPolicy[], { index, cni }: ProofWorld): Evaluation {
  return evaluation(index, compilePolicies(index, others(namespace, policies)), cni);
}

function newlyDenied(
  workloads: readonly WorkloadKey[],
  connections: readonly Connection[],
  before: Evaluation,
  after: Evaluation,
  world: ProofWorld,
): WouldDeny[] {
  const own = new Set(workloads);
  const denied: WouldDeny[] = [];
  for (const connection of connections) {
    const protocol = policyProtocolOf(connection.protocol);
    if (!isEvidence(connection) || protocol === undefined) continue;
    for (const direction of directions) {
      const subject = subjectOf(connection, direction);
      if (subject === undefined || !own.has(subject)) continue;
      const other = otherSide(connection, direction);
      const question = { subject, direction, other, protocol, port: connection.port };
      const verdict = subjectVerdict([after], question, world);
      if (verdict === subjectVerdict([before], question, world)) continue;
      const message = `${direction} of ${subject} ${connectionWords(connection, direction)} would be ${verdict}`;
      denied.push({ connection: connection.id, message });
    }
  }
  return denied;
}

function subjectOf({ source, destination }: Connection, direction: Direction): WorkloadKey | undefined {
  const side = direction === 'ingress' ? destination : source;
  return side.kind === 'workload' ? side.workload : undefined;
}
