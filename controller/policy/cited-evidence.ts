import { type Connection, type ConnectionId, isEvidence } from '../model/connection.ts';
import { apiServerEndpoint, type Endpoint } from '../model/endpoint.ts';
import type { PolicyDraft } from '../model/policy-draft.ts';
import type { WouldDeny } from '../model/proposal.ts';
import { policyProtocolOf } from '../model/protocol.ts';
import type { Fact } from './cni-profiles.ts';
import type { Direction } from './evaluate/compile-policies.ts';
import type { Evaluation } from './evaluate/evaluation.ts';
import { otherSide } from './own-evidence.ts';
import { isIsolated, type ProofWorld, underFacts } from './proof-world.ts';
import { connectionWords } from './rule-words.ts';
import { type SideQuestion, subjectVerdict } from './subject-verdict.ts';

const directions = ['ingress', 'egress'] as const;

/** What the citations of a draft come to: faults, how many there are, and how many hang on what the plugin does. */
export interface CitedEvidence {
  readonly faults: readonly string[];
  readonly cited: number;
  readonly assumed: number;
  /** Cited connections that the draft's own policy surely allows, by the side from which it was asked. */
  readonly allowed: Readonly<Record<Direction, ReadonlySet<ConnectionId>>>;
}

/** Whether everything that the rules cite is evidence of the workload, and allowed. */
export function judgeCitations(
  draft: PolicyDraft,
  connections: readonly Connection[],
  own: readonly Evaluation[],
  world: ProofWorld,
): CitedEvidence {
  const known = new Map(connections.map((connection) => [connection.id, connection]));
  const faults: string[] = [];
  let cited = 0;
  let assumed = 0;
  const allowed = { ingress: new Set<ConnectionId>(), egress: new Set<ConnectionId>() };
  const assuming = assumingFacts(own);
  for (const direction of directions) {
    for (const id of citedIds(draft, direction)) {
      const connection = known.get(id);
      const question = connection && sideQuestion(connection, direction, draft, world);
      cited += 1;
      if (!connection || !question || !isEvidence(connection)) {
        faults.push(`${id} is cited, and is no evidence of this workload`);
        continue;
      }
      const verdict = subjectVerdict(own, question, world);
      if (verdict === 'allowed') allowed[direction].add(id);
      else if (verdict === 'unknown' && subjectVerdict(assuming(), question, world) === 'allowed') assumed += 1;
      else faults.push(`${direction} ${connectionWords(connection, direction)} is ${verdict}`);
    }
  }
  return { faults, cited, assumed, allowed };
}

/**
 * Two facts that no profile of a plugin may know: whether a rule for addresses means nodes, and whether SCTP ports are
 * enforced. Where they do not hold, a rule fails to open and never opens more, so that the doubt is no fault of the
 * policy: it is said in the check, and again among what the policy may deny.
 */
function assumingFacts(own: readonly Evaluation[]): () => Evaluation[] {
  const assume = (fact: Fact): Fact => (fact === 'unknown' ? 'yes' : fact);
  let made: Evaluation[] | undefined;
  return () => {
    made ??= own.map((each) => {
      const { ipBlockMatchesNodes, sctp } = each.cni;
      return underFacts(each, { ...each.cni, ipBlockMatchesNodes: assume(ipBlockMatchesNodes), sctp: assume(sctp) });
    });
    return made;
  };
}

export function citedIds(draft: PolicyDraft, direction: Direction): Set<ConnectionId> {
  return new Set(draft[direction].flatMap(({ evidence }) => evidence));
}

/** The question that a connection is to the draft's workloads; undefined when they are not on that side of it. */
function sideQuestion(
  connection: Connection,
  direction: Direction,
  draft: PolicyDraft,
  world: ProofWorld,
): SideQuestion | undefined {
  const own = direction === 'ingress' ? connection.destination : connection.source;
  const protocol = policyProtocolOf(connection.protocol);
  if (own.kind !== 'workload' || !draft.workloads.includes(own.workload) || protocol === undefined) return undefined;
  let other = otherSide(connection, direction);
  // A node that holds the API server has more addresses than the one from which the API server calls.
  const callsAsApiServer =
    isApiServerNode(other, world) &&
    draft[direction].some(
      ({ peers, evidence }) => peers.some(({ kind }) => kind === 'apiserver') && evidence.includes(connection.id),
    );
  if (callsAsApiServer) other = apiServerEndpoint;
  return { subject: own.workload, direction, other, protocol, port: connection.port };
}

function isApiServerNode(endpoint: Endpoint, { apiServerNodes }: ProofWorld): boolean {
  return endpoint.kind === 'node' && apiServerNodes.values().some((name) => name === endpoint.name);
}

/** Connections that passed in the window and that the policy, with those that stay in force, would deny or may deny. */
export function deniedConnections(
  connections: readonly Connection[],
  judged: CitedEvidence,
  own: readonly Evaluation[],
  existing: Evaluation,
  draft: PolicyDraft,
  world: ProofWorld,
): WouldDeny[] {
  const denied: WouldDeny[] = [];
  for (const connection of connections) {
    if (!isEvidence(connection)) continue;
    for (const direction of directions) {
      if (judged.allowed[direction].has(connection.id)) continue;
      const question = sideQuestion(connection, direction, draft, world);
      if (!question) continue;
      // Policies that do not isolate the subject allow nothing once the proposal does.
      const together = isIsolated(existing, direction, question.subject) ? [...own, existing] : own;
      const verdict = subjectVerdict(together, question, world);
      if (verdict === 'allowed' || isProbe(question, connection, world)) continue;
      const outcome = verdict === 'denied' ? 'no rule allows it' : 'whether a rule allows it is not known';
      denied.push({
        connection: connection.id,
        message: `${direction} ${connectionWords(connection, direction)}: ${outcome}`,
      });
    }
  }
  return denied;
}

/** A node that calls a pod which runs on it: exempt, although the evaluator, who sees all replicas as one, cannot say so. */
function isProbe(
  { subject, direction, other }: SideQuestion,
  { evidence }: Connection,
  { index, cni }: ProofWorld,
): boolean {
  if (direction !== 'ingress' || other.kind !== 'node' || cni.ownNodeExempt !== 'yes') return false;
  if (evidence.clientNode !== 'unknown') return evidence.clientNode === 'own';
  const classes = index.classesOf[index.position.get(subject) as number] ?? [];
  return classes.some(({ places }) => places.some(({ node }) => node === other.name));
}
