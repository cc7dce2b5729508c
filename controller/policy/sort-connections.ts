import { parseIp } from '../model/cidr.ts';
import { type Connection, isEvidence } from '../model/connection.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import type { HeldBack, Omission, OmissionReason } from '../model/proposal.ts';
import { type PolicyProtocol, policyProtocolOf, protocolName } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { CniProfile } from './cni-profiles.ts';
import { dnsPorts, metadataServerAddress, nodeLocalDnsAddress } from './guardrails.ts';
import type { Infrastructure } from './infrastructure.ts';
import type { SuspicionJudge } from './suspicion.ts';

/** Whom a rule has to let through, one kind for each way of writing it. */
export type DemandPeer =
  | { readonly kind: 'workload'; readonly workload: WorkloadKey }
  | { readonly kind: 'external'; readonly address: string }
  | { readonly kind: 'apiserver' }
  | { readonly kind: 'nodes' }
  | { readonly kind: 'dns' };

/** A learned connection as one direction of the subject's policy sees it. */
export interface Demand {
  readonly direction: 'ingress' | 'egress';
  readonly peer: DemandPeer;
  readonly protocol: PolicyProtocol;
  readonly port: number;
  readonly connection: Connection;
}

/** The connections of a subject, each in exactly one place for each direction that it has there. */
export interface SortedConnections {
  readonly demands: readonly Demand[];
  readonly heldBack: readonly HeldBack[];
  readonly omissions: readonly Omission[];
}

/** What sorting needs to know beyond the connections themselves. */
export interface SortingContext {
  readonly infrastructure: Infrastructure;
  readonly cni: CniProfile;
  readonly suspicionOf: SuspicionJudge;
}

/** Sorts what is learned from what is held back and what cannot be written, with the reason of each. */
export function sortConnections(
  subjects: ReadonlySet<WorkloadKey>,
  connections: readonly Connection[],
  context: SortingContext,
): SortedConnections {
  const demands: Demand[] = [];
  const heldBack: HeldBack[] = [];
  const omissions: Omission[] = [];
  const isSubject = (endpoint: Endpoint) => endpoint.kind === 'workload' && subjects.has(endpoint.workload);

  for (const connection of connections) {
    const omit = (because: OmissionReason, message: string) => omissions.push({ connection, because, message });
    const { source, destination, directed, evidence, port } = connection;
    const protocol = policyProtocolOf(connection.protocol);
    if (!directed) {
      omit('undirected', 'no source could tell who opened it');
      continue;
    }
    if (!isEvidence(connection)) {
      const outcome = evidence.denied > 0 ? `a policy denied it ${times(evidence.denied)}` : 'every try failed';
      omit('denied-attempt', `it never passed; ${outcome}`);
      continue;
    }
    const unknown = [source, destination].find(({ kind }) => kind === 'unknown');
    if (unknown?.kind === 'unknown') {
      omit('unknown-endpoint', `${unknown.address || 'one side'} could not be attributed (${unknown.reason})`);
      continue;
    }
    if (protocol === undefined) {
      omit('protocol-not-expressible', `a NetworkPolicy cannot name ${protocolName(connection.protocol)}`);
      continue;
    }
    if (port === 0) {
      omit('unknown-port', 'no source told the port of the server');
      continue;
    }
    const suspicion = context.suspicionOf(connection);
    if (suspicion) {
      heldBack.push({ connection, ...suspicion });
      continue;
    }
    for (const direction of ['ingress', 'egress'] as const) {
      const [subject, other] = direction === 'ingress' ? [destination, source] : [source, destination];
      if (!isSubject(subject)) continue;
      const placed = placePeer(direction, other, subject, connection, context);
      if ('because' in placed) omit(placed.because, placed.message);
      else demands.push({ direction, peer: placed, protocol, port, connection });
      if (direction === 'ingress' && comesHidden(other, subject, protocol, port, context)) {
        demands.push({ direction, peer: { kind: 'nodes' }, protocol, port, connection });
      }
    }
  }
  return { demands, heldBack, omissions };
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

type Placed = DemandPeer | { readonly because: OmissionReason; readonly message: string };

function placePeer(
  direction: 'ingress' | 'egress',
  peer: Endpoint,
  subject: Endpoint,
  connection: Connection,
  context: SortingContext,
): Placed {
  const asksDns = direction === 'egress' && dnsPorts.includes(connection.port);
  switch (peer.kind) {
    case 'workload': {
      // a rule whose peer is deleted disappears; nobody can say any more whom it would let in
      if (!context.infrastructure.isThere(peer.workload)) {
        return { because: 'unknown-endpoint', message: `${peer.workload} is gone from the inventory` };
      }
      if (context.infrastructure.onHostNetwork(peer.workload)) return nodesOrUnknown(direction, context.infrastructure);
      return asksDns && context.infrastructure.dnsWorkloads.includes(peer.workload) ? { kind: 'dns' } : peer;
    }
    case 'external': {
      if (asksDns && [nodeLocalDnsAddress, metadataServerAddress].includes(peer.address)) return { kind: 'dns' };
      if (parseIp(peer.address)) return peer;
      return { because: 'unknown-endpoint', message: 'its source names no address for the outside' };
    }
    case 'node':
      return placeNode(direction, peer.name, subject, connection, context);
    case 'service':
      if (isApiServer(peer)) return apiServerOrUnknown(context.infrastructure);
      return {
        because: 'unknown-endpoint',
        message: `the Service ${peer.namespace}/${peer.name} has no single workload behind that port`,
      };
    case 'unknown':
      return { because: 'unknown-endpoint', message: `${peer.address} could not be attributed (${peer.reason})` };
  }
}

/**
 * Nodes as peers. A pod's own node always reaches it (kubelet probes), so nothing is written for that; what reaches pods on
 * other nodes (servers on the host network, clients that a Service hides behind a node) needs the nodes' addresses. Where
 * no flow tells which of the two it is, a node on which a pod of the workload runs or ran is taken for its own.
 */
function placeNode(
  direction: 'ingress' | 'egress',
  node: string,
  subject: Endpoint,
  { protocol: number, port, evidence }: Connection,
  { infrastructure, cni }: SortingContext,
): Placed {
  if (direction === 'egress' || subject.kind !== 'workload') return nodesOrUnknown(direction, infrastructure);
  if (cni.anyNodeExempt === 'yes') {
    return { because: 'node-exempt', message: `with ${cni.name}, nodes always reach the pods` };
  }
  const calls = infrastructure.webhooksOf(subject.workload).some((webhook) => webhook.port === port);
  if (calls && infrastructure.holdsApiServer(node)) return apiServerOrUnknown(infrastructure);
  const ownNode =
    evidence.clientNode === 'unknown' ? infrastructure.runsOn(subject.workload, node) : evidence.clientNode === 'own';
  const protocol = policyProtocolOf(number);
  const hidden = protocol !== undefined && infrastructure.hidesClients(subject.workload, protocol, port);
  if (ownNode && cni.ownNodeExempt !== 'no' && !hidden) {
    return { because: 'node-exempt', message: "a pod's own node always reaches it (kubelet probes)" };
  }
  return nodesOrUnknown(direction, infrastructure);
}

function nodesOrUnknown(direction: 'ingress' | 'egress', { nodeCidrs }: Infrastructure): Placed {
  if (nodeCidrs[direction].length > 0) return { kind: 'nodes' };
  return {
    because: 'addresses-unknown',
    message: 'the addresses of the nodes are not known; put them into clusterCidrs.nodes of the profile',
  };
}

/**
 * Whether a Service hides outside clients of that port behind the nodes: a pod that stands on another node than the one
 * that a client came to sees that node in its place, and the next pod may stand anywhere.
 */
function comesHidden(
  client: Endpoint,
  server: Endpoint,
  protocol: PolicyProtocol,
  port: number,
  { infrastructure, cni }: SortingContext,
): boolean {
  if (client.kind !== 'external' || server.kind !== 'workload') return false;
  if (cni.anyNodeExempt === 'yes' || infrastructure.nodeCidrs.ingress.length === 0) return false;
  return infrastructure.hidesClients(server.workload, protocol, port);
}

function apiServerOrUnknown({ apiServerAddresses }: Infrastructure): Placed {
  if (apiServerAddresses.egress.length > 0) return { kind: 'apiserver' };
  return {
    because: 'addresses-unknown',
    message:
      'the addresses of the API server are not known; add the EndpointSlice of default/kubernetes to the inventory',
  };
}
