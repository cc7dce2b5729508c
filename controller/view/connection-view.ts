import type { Connection } from '../model/connection.ts';
import { replicaLimit } from '../model/connection.ts';
import { counted } from '../model/counted.ts';
import { protocolName } from '../model/protocol.ts';
import type { JudgedState } from './connection-judge.ts';
import { connectionWords } from './connection-words.ts';
import { type NodeFacts, nodeKey, type NodeScope } from './graph-nodes.ts';
import type { ConnectionView } from './graph-shape.ts';

/** One connection with its evidence, as who may see both of its sides sees it. */
export function connectionView(
  connection: Connection,
  { state, because }: JudgedState,
  scope: NodeScope,
  facts: NodeFacts,
): ConnectionView {
  const { id, source, destination, protocol, port, directed, evidence } = connection;
  return {
    id,
    words: connectionWords(connection),
    source: nodeKey(source, scope, facts),
    target: nodeKey(destination, scope, facts),
    protocol: protocolName(protocol),
    port,
    directed,
    state,
    because,
    passed: evidence.allowed + evidence.audited,
    denied: evidence.denied,
    bytes: evidence.bytes,
    firstSeen: timeText(evidence.firstMs),
    lastSeen: timeText(evidence.lastMs),
    evidence: evidenceWords(connection),
  };
}

function evidenceWords({ evidence, destination, source }: Connection): string[] {
  const { allowed, audited, denied, incidences, clientReplicas, serverReplicas, sources, answered, binMs } = evidence;
  const passed = allowed + audited;
  return [
    ...(passed > 0 ? [`passed ${counted(passed, 'time')}`] : []),
    ...(audited > 0 ? [`${counted(audited, 'time')} although a policy in audit mode would have dropped it`] : []),
    ...(denied > 0 ? [`denied ${counted(denied, 'time')}`] : []),
    ...(answered === 'no' ? ['never answered'] : []),
    `seen in ${counted(incidences, 'interval')}${incidences > 1 ? ` of at least ${binMs < 60_000 ? `${binMs / 1000} s` : `${binMs / 60_000} min`}` : ''}`,
    ...(source.kind === 'workload' && clientReplicas > 0 ? [`from ${replicas(clientReplicas)}`] : []),
    ...(destination.kind === 'workload' && serverReplicas > 0 ? [`to ${replicas(serverReplicas)}`] : []),
    `told by ${sources.join(', ')}`,
  ];
}

function replicas(count: number): string {
  return `${count >= replicaLimit ? 'at least ' : ''}${counted(count, 'pod')}`;
}

function timeText(ms: number): string | null {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : null;
}
