import { containsAddresses, cidrSet, formatAddresses, hostCidr, parseIp } from '../model/cidr.ts';
import {
  type ConnectionSet,
  connectionOf,
  hasConnection,
  isEmptyConnections,
  noConnections,
  subtractConnections,
  unionConnections,
} from '../model/connection-set.ts';
import type { Connection } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import { type Endpoint, isApiServer } from '../model/endpoint.ts';
import { type PolicyProtocol, policyProtocolOf, protocolName } from '../model/protocol.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { Evaluator } from './evaluate/evaluator.ts';
import type { Party } from './evaluate/views.ts';

/** What policies would have done to traffic that passed, and what they grant that nobody used. */
export interface Replay {
  /** Connections that passed and stay allowed. */
  readonly allowed: number;
  readonly denied: readonly ReplayedConnection[];
  /** Connections whose verdict hangs on the network plugin or on an address that is not known. */
  readonly unknown: readonly ReplayedConnection[];
  /** Connections that policies cannot decide on: a side, the port or the direction is not known, or the protocol is ICMP. */
  readonly notJudged: readonly ReplayedConnection[];
  readonly unused: readonly UnusedGrant[];
}

export interface ReplayedConnection {
  readonly connection: Connection;
  readonly message: string;
}

/** What the policies of a workload let in or out, and no connection of the window used. */
export interface UnusedGrant {
  readonly workload: WorkloadKey;
  readonly direction: 'ingress' | 'egress';
  /** A workload, or address blocks in text. */
  readonly peer: string;
  readonly connections: ConnectionSet;
}

/** Replays every connection of the window that passed against the evaluator's policies, whoever wrote them. */
export function replay(traffic: ConnectionSource, evaluator: Evaluator): Replay {
  const { cluster } = evaluator.evaluation.index;
  const denied: ReplayedConnection[] = [];
  const unknown: ReplayedConnection[] = [];
  const notJudged: ReplayedConnection[] = [];
  const used = new Used();
  let allowed = 0;
  for (const connection of traffic.connections()) {
    const { source, destination, port, directed, evidence } = connection;
    if (evidence.allowed + evidence.audited === 0) continue;
    const protocol = policyProtocolOf(connection.protocol);
    const from = partyOf(source, cluster.apiServer.ips);
    const to = partyOf(destination, cluster.apiServer.ips);
    const obstacle = !directed
      ? 'no source could tell who opened it'
      : protocol === undefined
        ? `policies do not decide on ${protocolName(connection.protocol)}`
        : port === 0
          ? 'its port is not known'
          : from === undefined || to === undefined
            ? 'one side of it is not known'
            : undefined;
    if (obstacle !== undefined || protocol === undefined || from === undefined || to === undefined) {
      notJudged.push({ connection, message: obstacle ?? '' });
      continue;
    }
    used.add(from, to, protocol, port);
    if (hasConnection(evaluator.between(from, to).allowed, protocol, port)) {
      allowed++;
      continue;
    }
    const { verdict, reasons } = evaluator.decide(from, to, protocol, port);
    (verdict === 'unknown' ? unknown : denied).push({ connection, message: reasons[0]?.sentence ?? verdict });
  }
  return { allowed, denied, unknown, notJudged, unused: unusedGrants(evaluator, used) };
}

function partyOf(endpoint: Endpoint, apiServer: readonly string[]): Party | undefined {
  switch (endpoint.kind) {
    case 'workload':
      return endpoint;
    case 'node':
      return endpoint;
    case 'external':
      return addressParty(endpoint.address);
    case 'service':
      return isApiServer(endpoint) && apiServer[0] !== undefined ? addressParty(apiServer[0]) : undefined;
    case 'unknown':
      return undefined;
  }
}

function addressParty(text: string): Party | undefined {
  const ip = parseIp(text);
  return ip && { kind: 'address', ip };
}

/** What the replayed connections used, from the side of each workload. */
class Used {
  readonly #workloads = new Map<string, ConnectionSet>();
  readonly #outside = new Map<string, { readonly party: Party; connections: ConnectionSet }[]>();

  add(from: Party, to: Party, protocol: PolicyProtocol, port: number): void {
    const one = connectionOf(protocol, port);
    this.#addSide('egress', from, to, one);
    this.#addSide('ingress', to, from, one);
  }

  #addSide(direction: string, subject: Party, peer: Party, connections: ConnectionSet): void {
    if (subject.kind !== 'workload') return;
    if (peer.kind === 'workload') {
      const key = `${direction} ${subject.workload} ${peer.workload}`;
      this.#workloads.set(key, unionConnections(this.#workloads.get(key) ?? noConnections, connections));
      return;
    }
    const key = `${direction} ${subject.workload}`;
    const list = this.#outside.get(key) ?? [];
    list.push({ party: peer, connections });
    this.#outside.set(key, list);
  }

  byWorkload(direction: string, subject: WorkloadKey, peer: WorkloadKey): ConnectionSet {
    return this.#workloads.get(`${direction} ${subject} ${peer}`) ?? noConnections;
  }

  /** What addresses inside of the set used, and nodes, whose addresses may be any of them. */
  byAddress(direction: string, subject: WorkloadKey, set: Parameters<typeof containsAddresses>[0]): ConnectionSet {
    const inside = (this.#outside.get(`${direction} ${subject}`) ?? []).filter(
      ({ party }) => party.kind !== 'address' || containsAddresses(set, cidrSet([hostCidr(party.ip)])),
    );
    return inside.reduce((sum, { connections }) => unionConnections(sum, connections), noConnections);
  }
}

function unusedGrants(evaluator: Evaluator, used: Used): UnusedGrant[] {
  const unused: UnusedGrant[] = [];
  for (const workload of evaluator.evaluation.index.keys) {
    for (const direction of ['ingress', 'egress'] as const) {
      const admissions = evaluator.admits(direction, workload);
      if (admissions === 'not-isolated') continue;
      for (const { peer, allowed } of admissions) {
        if (peer.kind === 'unaddressed') continue;
        const taken =
          peer.kind === 'workload'
            ? used.byWorkload(direction, workload, peer.workload)
            : used.byAddress(direction, workload, peer.set);
        const connections = subtractConnections(allowed, taken);
        if (isEmptyConnections(connections)) continue;
        const name = peer.kind === 'workload' ? peer.workload : formatAddresses(peer.set).join(', ');
        unused.push({ workload, direction, peer: name, connections });
      }
    }
  }
  return unused;
}
