import type { Flow, FlowPeer, FlowSourceKind, FlowVerdict } from '../../model/flow.ts';
import { unnamedPeer } from '../../model/flow.ts';
import { type LineOutcome, skipped } from './line-outcome.ts';

export type CalicoEndpointType = 'workload' | 'host' | 'network-set' | 'network' | 'unknown';
export type CalicoReporter = 'source' | 'destination';

export interface CalicoEndpoint {
  readonly type: CalicoEndpointType;
  readonly ip: string | undefined;
  readonly namespace: string | undefined;
  /** Exact name, or one that ends in `*` for all pods of a template. */
  readonly name: string | undefined;
  readonly labels: readonly string[] | undefined;
}

/** What all of Calico's forms say in one record: what one side's node saw of one pair in one interval. */
export interface CalicoReport {
  readonly source: Extract<FlowSourceKind, 'calico' | 'goldmane'>;
  readonly timeMs: number;
  readonly endMs: number;
  readonly reporter: CalicoReporter;
  readonly verdict: FlowVerdict;
  readonly from: CalicoEndpoint;
  readonly to: CalicoEndpoint;
  readonly fromPort: number;
  /** Behind translation; 0 when aggregated away. */
  readonly toPort: number;
  readonly protocol: number;
  readonly service: FlowPeer['service'];
  readonly dnsNames: FlowPeer['dnsNames'];
  readonly connections: number;
  readonly bytes: number;
  /** Packets from the initiator and back to it; undefined when the record has no counters at all. */
  readonly packets: { readonly forward: number; readonly back: number } | undefined;
  readonly node: string;
}

const rememberedPairs = 200_000;

/**
 * Turns reports into flows. Calico reports one connection from both ends; the end that is seen first for a pair carries the
 * counters of that pair, so totals are right with one or both ends present, and the other end's reports count 0.
 */
export class CalicoReports {
  readonly #counting = new Map<string, CalicoReporter>();

  outcome(report: CalicoReport): LineOutcome {
    if (isUndecided(report)) return skipped;
    const counts = this.#counts(report);
    const flow: Flow = {
      timeMs: report.timeMs,
      endMs: report.endMs,
      client: peerOf(report.from),
      server: {
        ...peerOf(report.to),
        // The port is the backend's: the Service helps only where the backend has neither name nor address.
        service: isNamed(report.to) || report.to.ip !== undefined ? undefined : report.service,
        dnsNames: report.dnsNames,
      },
      clientPort: report.fromPort,
      port: report.toPort,
      addressed: undefined,
      protocol: report.protocol,
      directed: true,
      verdict: report.verdict,
      answered: answeredOf(report),
      connections: counts ? Math.max(1, report.connections) : 0,
      bytes: counts ? report.bytes : 0,
      source: report.source,
      node: report.node,
    };
    return { kind: 'flow', flow };
  }

  #counts(report: CalicoReport): boolean {
    const { from, to, toPort, protocol, verdict, reporter } = report;
    // what only one side's staged policies would have dropped is one connection all the same
    const denied = verdict === 'denied';
    const key = [from.namespace, from.name, from.ip, to.namespace, to.name, to.ip, toPort, protocol, denied].join('\0');
    const first = this.#counting.get(key);
    if (first !== undefined) return first === reporter;
    if (this.#counting.size >= rememberedPairs) {
      const oldest = this.#counting.keys().next();
      if (!oldest.done) this.#counting.delete(oldest.value);
    }
    this.#counting.set(key, reporter);
    return true;
  }
}

/**
 * The source's node allowed it and nothing came back from a pod: only that pod's own node knows whether it was let in, and
 * says so in a report of its own.
 */
function isUndecided({ reporter, verdict, to, packets }: CalicoReport): boolean {
  const mayBeDeniedThere = reporter === 'source' && verdict === 'allowed' && to.type === 'workload';
  return mayBeDeniedThere && packets !== undefined && packets.back === 0;
}

function answeredOf({ verdict, packets }: CalicoReport): boolean | undefined {
  if (verdict === 'denied' || packets === undefined) return undefined;
  if (packets.back > 0) return true;
  // The interval of an idle connection may hold no packets at all, which says nothing.
  return packets.forward > 0 ? false : undefined;
}

function isNamed({ type }: CalicoEndpoint): boolean {
  return type === 'workload' || type === 'host';
}

function peerOf({ type, ip, namespace, name, labels }: CalicoEndpoint): FlowPeer {
  const peer = { ...unnamedPeer, ip, labels };
  switch (type) {
    case 'workload':
      return name === undefined || !name.endsWith('*')
        ? { ...peer, namespace, pod: name }
        : { ...peer, namespace, podPrefix: name === '*' ? undefined : name.slice(0, -1) };
    case 'host':
      return { ...peer, node: name };
    case 'network':
      return isWorld(name, ip) ? { ...peer, reserved: 'world' } : peer;
    case 'network-set':
    case 'unknown':
      return peer;
  }
}

/** Calico calls every IPv6 address public, those inside the cluster too, so an IPv6 address has to speak for itself. */
function isWorld(name: string | undefined, ip: string | undefined): boolean {
  return name === 'pub' && (ip === undefined || !ip.includes(':'));
}
