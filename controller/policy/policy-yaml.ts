import { cidrSetOf, hasAddress, parseCidr, parseIp } from '../model/cidr.ts';
import type { Connection, ConnectionId } from '../model/connection.ts';
import { counted } from '../model/counted.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { DraftPeer, DraftPort } from '../model/policy-draft.ts';
import { protocolName } from '../model/protocol.ts';
import type { RenderedRule, Rendering } from './dialects/dialect.ts';
import { renderYamlDocuments } from './render-yaml.ts';
import { connectionWords, evidenceSummary, evidenceWords, ruleWords } from './rule-words.ts';

/** Finds a connection that a rule cites; undefined when it is no longer known. */
export type EvidenceOf = (id: ConnectionId) => Connection | undefined;

/** More evidence than this is counted in the comment of a rule, not listed. */
const listedConnections = 8;

/**
 * The YAML of a rendering. With `evidenceOf`, a comment over each rule says in words what it allows and on what
 * evidence, and the head says whose policy it is; without, there are no comments. The same policy with the same
 * evidence gives the same bytes.
 */
export function policyYaml(rendering: Rendering, evidenceOf: EvidenceOf | undefined): string {
  if (!evidenceOf) return renderYamlDocuments(rendering.objects);
  const comments = new Map<object, readonly string[]>();
  const { draft } = rendering;
  const cited = new Set([...draft.ingress, ...draft.egress].flatMap(({ evidence }) => evidence));
  const asked = [...cited].filter((id) => evidenceOf(id)?.attempted).length;
  const head = [
    `nanoseg: the traffic of ${draft.workloads.join(', ')} that was seen and accepted; all other is denied`,
    ...(asked > 0 ? [`an amendment: ${counted(asked, 'connection')} of it never passed, and would from now on`] : []),
    ...rendering.notes,
  ];
  for (const object of rendering.objects) comments.set(object, head);
  for (const rule of rendering.rules) comments.set(rule.rendered, ruleComment(rule, rendering, evidenceOf));
  return renderYamlDocuments(rendering.objects, comments);
}

function ruleComment(rendered: RenderedRule, { draft }: Rendering, evidenceOf: EvidenceOf): string[] {
  const { rule, direction } = rendered;
  const words = ruleWords(rule, direction, draft);
  const connections = citedBy(rendered, draft[direction].includes(rule), evidenceOf);
  const [first, second] = connections;
  if (first === undefined) {
    return [rule.evidence.length === 0 ? `${words}: allowed by name, no connection has asked for it` : words];
  }
  if (second === undefined) return [`${words}: ${evidenceWords(first)}`];
  const lines = connections
    .slice(0, listedConnections)
    .map((connection) => `  ${connectionWords(connection, direction)}: ${evidenceWords(connection)}`);
  const rest = connections.length - lines.length;
  return [
    `${words}: ${evidenceSummary(connections)}`,
    ...lines,
    ...(rest > 0 ? [`  and ${counted(rest, 'more connection')}`] : []),
  ];
}

/** A rendered rule that holds only a part of its draft rule cites only what concerns its own peers and ports. */
function citedBy({ rule, direction }: RenderedRule, whole: boolean, evidenceOf: EvidenceOf): Connection[] {
  const cited = rule.evidence.flatMap((id) => evidenceOf(id) ?? []);
  if (whole) return cited;
  return cited.filter((connection) => {
    const other = direction === 'ingress' ? connection.source : connection.destination;
    return rule.ports.some((port) => opens(port, connection)) && rule.peers.some((peer) => means(peer, other));
  });
}

function opens({ protocol, port, endPort }: DraftPort, connection: Connection): boolean {
  if (protocolName(connection.protocol) !== protocol) return false;
  return connection.port >= port && connection.port <= (endPort ?? port);
}

function means(peer: DraftPeer, other: Endpoint): boolean {
  switch (peer.kind) {
    case 'pods':
      return other.kind === 'workload' && peer.workloads.includes(other.workload);
    case 'apiserver':
      return isApiServer(other);
    case 'nodes':
      return other.kind === 'node';
    case 'world':
      return other.kind === 'external';
    case 'cidr': {
      const address = other.kind === 'external' ? parseIp(other.address) : undefined;
      return address !== undefined && parseCidr(peer.cidr) !== undefined && hasAddress(cidrSetOf(peer.cidr), address);
    }
  }
}
