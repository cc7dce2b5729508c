import { type Connection, isEvidence } from '../model/connection.ts';
import type { OverGrant, Proof } from '../model/proposal.ts';
import { type CitedEvidence, citedIds, deniedConnections, judgeCitations } from './cited-evidence.ts';
import type { ReadBack, Rendering } from './dialects/dialect.ts';
import { compilePolicies } from './evaluate/compile-policies.ts';
import { evaluation } from './evaluate/evaluation.ts';
import { overGrants } from './over-grants.ts';
import { ownEvidence } from './own-evidence.ts';
import { allowAllFaults, isolationFaults, namespaceFaults, subjectFaults } from './policy-faults.ts';
import { proofCheck, unproved } from './proof-checks.ts';
import { type ProofWorld, stayingInForce, withoutExemptions } from './proof-world.ts';
import { type Admitted, admissionsOf, reachableOf } from './reachable-pairs.ts';

const directions = ['ingress', 'egress'] as const;

/** One proposal to prove: its draft as rendered, what was read back from that text, and what was seen of it. */
export interface ProofInput {
  readonly rendering: Rendering;
  readonly readBack: ReadBack;
  /** All connections from and to the draft's workloads, each once. */
  readonly connections: readonly Connection[];
}

/**
 * Checks a proposal by what its text means when it is read again, with the evaluator alone (policy.md 5). All is seen
 * from the subject's side: a peer's own policies have their own proposals. Costs what the workload itself has.
 */
export function prove(input: ProofInput, world: ProofWorld): Proof {
  const { rendering, readBack, connections } = input;
  const { draft } = rendering;
  const { index, cni } = world;
  const missing = draft.workloads.filter((workload) => !index.position.has(workload));
  const failed = [...readBack.faults, ...missing.map((workload) => `${workload} is not in the inventory`)];
  failed.push(...namespaceFaults(draft, world));
  if (readBack.policies.length === 0 && failed.length === 0) failed.push('nothing was read back');
  const readBackCheck = proofCheck('read-back', failed, 'what the text means is what was drafted');
  const complete = proofCheck(
    'dialect-complete',
    rendering.inexpressible.map(({ message }) => message),
    'the dialect says all of the draft',
  );
  if (failed.length > 0) return unproved([readBackCheck, complete]);

  const own = [evaluation(index, compilePolicies(index, readBack.policies), cni)];
  if (readBack.identityPolicies.length > 0) {
    const compiled = compilePolicies(index, readBack.identityPolicies);
    own.push(evaluation(index, compiled, { ...cni, ipBlockMatchesNodes: 'yes' }));
  }
  const policies = [...readBack.policies, ...readBack.identityPolicies];
  const admitted = admissionsOf(draft, own.map(withoutExemptions));
  const existing = stayingInForce(world, draft.namespace, [draft.name]);
  const granted = grantsBeyondEvidence(input, admitted, world);
  const unasked = granted.filter(({ allowance, widenedBy }) => allowance === undefined && widenedBy === undefined);
  const judged = judgeCitations(draft, connections, own, world);
  const checks = [
    proofCheck('evidence-allowed', judged.faults, evidenceWords(judged, cni.name)),
    proofCheck(
      'no-over-grant',
      unasked.map(({ direction, peer, protocol, ports }) => `${direction} ${peer} ${protocol} ${ports} was never seen`),
      granted.length === 0
        ? 'nothing beyond the evidence is allowed'
        : 'all beyond the evidence has a name or a wish of the profile',
    ),
    proofCheck('no-allow-all', allowAllFaults(policies, draft), 'every rule names its peers and its ports'),
    proofCheck('isolated', isolationFaults(policies, own, draft), 'both directions are isolated'),
    proofCheck(
      'subject-exact',
      subjectFaults(policies, own, draft, world),
      'it selects its own workloads and no other',
    ),
    readBackCheck,
    complete,
  ];
  return {
    valid: checks.every(({ passed }) => passed),
    checks,
    overGrants: granted,
    wouldDeny: deniedConnections(connections, judged, own, existing, draft, world),
    reachableBefore: reachableOf(draft.workloads, existing, undefined),
    reachableAfter: reachableOf(draft.workloads, existing, admitted),
  };
}

function evidenceWords({ cited, assumed }: CitedEvidence, cni: string): string {
  const allowed = cited === 1 ? 'the one cited connection is allowed' : `all ${cited} cited connections are allowed`;
  if (assumed === 0) return allowed;
  const which = cited === 1 ? '' : `${assumed} of them `;
  return `${allowed}, ${which}provided that ${cni} matches nodes by address and enforces SCTP rules`;
}

function grantsBeyondEvidence(
  { rendering: { draft }, connections }: ProofInput,
  admitted: Admitted,
  { index, profile }: ProofWorld,
): OverGrant[] {
  return directions.flatMap((direction) => {
    const ids = citedIds(draft, direction);
    const cited = connections.filter((connection) => ids.has(connection.id) && isEvidence(connection));
    const evidence = ownEvidence(draft, direction, cited, index.cluster.apiServer.ips);
    const admissions = admitted[direction].values().toArray().flat();
    return overGrants(draft, direction, admissions, evidence, index, profile);
  });
}
