import type { Flow, FlowLoss, FlowVerdict } from '../../model/flow.ts';
import { parseProtocol, protocolNumber } from '../../model/protocol.ts';
import type { FlowLimits } from './flow-limits.ts';
import { isLoopback, remoteSide, watchedPeer } from './gadget-peer.ts';
import { isObject, type JsonObject, parseJsonObject } from './json-record.ts';
import { type LineOutcome, type LineReader, outcomeOf, skipped } from './line-outcome.ts';
import { ipField, objectField, portField, textField, timeField } from './record-fields.ts';
import { validTime } from './rfc3339.ts';
import { shown, UnusableRecord } from './unusable-record.ts';

/**
 * Reads Inspektor Gadget's `trace_tcp` (layouts of 2024 and 2026) and the events of its former `trace network`.
 * `fallbackMs` is the time of events without a time of their own, which all of `trace network` are.
 */
export function inspektorGadgetLines(limits: FlowLimits, fallbackMs: number): LineReader {
  return (line, loggedMs) =>
    outcomeOf(() => {
      const lost = lostSamples(line, loggedMs ?? fallbackMs);
      if (lost !== undefined) return lost;
      const event = parseJsonObject(line, limits);
      if ('pktType' in event) return packetOutcome(event, loggedMs ?? fallbackMs, limits);
      if (isObject(event['src']) && isObject(event['dst'])) {
        return socketOutcome(
          event,
          event['src'],
          event['dst'],
          () => timeOf(event, line) ?? loggedMs ?? fallbackMs,
          limits,
        );
      }
      // Messages of the gadget about itself (started, warning, …) carry a type and nothing to connect.
      if (typeof event['type'] === 'string' && event['type'] !== 'normal') return skipped;
      throw new UnusableRecord('neither an event of trace_tcp nor of trace network');
    });
}

/** The gadget's own warning that its ring buffer overflowed; it comes on standard error, which often is the same file. */
function lostSamples(line: string, timeMs: number): LineOutcome | undefined {
  if (line.startsWith('{')) return undefined;
  const found = /\blost (\d{1,15}) samples/.exec(line);
  if (found === null) return undefined;
  const loss: FlowLoss = { timeMs, source: 'inspektor-gadget', node: '', events: Number(found[1]), kind: 'lost' };
  return { kind: 'losses', losses: [loss] };
}

/** `src` is the socket's local side and `dst` its remote one, whoever opened the connection. */
function socketOutcome(
  event: JsonObject,
  local: JsonObject,
  remote: JsonObject,
  time: () => number,
  limits: FlowLimits,
): LineOutcome {
  const type = event['type'] ?? event['type_raw'];
  const error = textField(event['error'], 'error');
  const accepted = type === 'accept' || type === 1;
  if (type === 'close' || type === 2 || (accepted && error !== undefined)) return skipped;
  if (!accepted && type !== 'connect' && type !== 0) throw new UnusableRecord(`type: unknown event ${shown(type)}`);

  const k8s = objectField(event['k8s'], 'k8s');
  const localIp = ipField(local['addr'], 'src.addr');
  const localPort = portField(local['port'], 'src.port');
  const watched = watchedPeer(k8s, localIp, limits);
  const other = remoteSide(remote, objectField(remote['k8s'], 'dst.k8s'), limits, remote['port']);
  if (isLoopback(localIp) && isLoopback(ipField(remote['addr'], 'dst.addr'))) return skipped;
  const timeMs = time();
  const shared = {
    timeMs,
    endMs: timeMs,
    protocol: protocolOf(local['proto'] ?? remote['proto'] ?? protocolNumber.TCP),
    directed: true,
    connections: 1,
    bytes: 0,
    source: 'inspektor-gadget',
    node: textField(k8s?.['node'], 'k8s.node') ?? '',
  } as const;
  const flow: Flow = accepted
    ? {
        ...shared,
        client: other.peer,
        server: watched,
        clientPort: portField(remote['port'], 'dst.port'),
        port: localPort,
        addressed: undefined,
        verdict: 'allowed',
        answered: true,
      }
    : {
        ...shared,
        client: watched,
        server: other.peer,
        clientPort: localPort,
        port: other.port,
        addressed: other.addressed,
        ...resultOf(error),
      };
  return { kind: 'flow', flow };
}

/** A connect that is still under way says nothing yet; one that failed may have met a policy, a firewall or a closed port. */
function resultOf(error: string | undefined): { verdict: FlowVerdict; answered: boolean | undefined } {
  if (error === undefined) return { verdict: 'allowed', answered: true };
  return { verdict: 'none', answered: error === 'EINPROGRESS' ? undefined : false };
}

/** An event of `trace network`: OUTGOING from the pod to `dst`, or HOST from `dst` to the pod; `port` is the receiver's. */
function packetOutcome(event: JsonObject, timeMs: number, limits: FlowLimits): LineOutcome {
  const type = event['type'];
  const outgoing = event['pktType'] === 'OUTGOING';
  if ((type !== undefined && type !== 'normal') || (!outgoing && event['pktType'] !== 'HOST')) return skipped;
  const k8s = objectField(event['k8s'], 'k8s');
  if (k8s === undefined || !isObject(event['dst'])) throw new UnusableRecord('k8s or dst is missing');
  const watched = watchedPeer(k8s, undefined, limits);
  const other = remoteSide(event['dst'], event['dst'], limits, event['port']);
  const protocol = protocolOf(event['proto']);
  const flow: Flow = {
    timeMs,
    endMs: timeMs,
    client: outgoing ? watched : other.peer,
    server: outgoing ? other.peer : watched,
    clientPort: 0,
    port: outgoing ? other.port : portField(event['port'], 'port'),
    addressed: outgoing ? other.addressed : undefined,
    protocol,
    // Of TCP it reports SYN packets only; of UDP every packet, answers too.
    directed: protocol === protocolNumber.TCP,
    verdict: 'none',
    answered: undefined,
    connections: 1,
    bytes: 0,
    source: 'inspektor-gadget',
    node: textField(k8s['node'], 'k8s.node') ?? '',
  };
  return { kind: 'flow', flow };
}

function protocolOf(value: unknown): number {
  const protocol = typeof value === 'string' ? parseProtocol(value) : value;
  if (typeof protocol === 'number' && Number.isInteger(protocol) && protocol >= 0 && protocol <= 255) return protocol;
  throw new UnusableRecord(`proto: expected a protocol, got ${shown(value)}`);
}

/** The event's time; nanoseconds are read from the line's text, because JSON numbers do not hold them. */
function timeOf(event: JsonObject, line: string): number | undefined {
  if (typeof event['timestamp'] === 'string') return timeField(event['timestamp'], 'timestamp');
  if (event['timestamp_raw'] === undefined && event['timestamp'] === undefined) return undefined;
  const nanoseconds = /"timestamp(?:_raw)?"\s*:\s*"?(\d{1,20})\b/.exec(line)?.[1];
  const timeMs = nanoseconds === undefined ? undefined : validTime(Number(BigInt(nanoseconds) / 1_000_000n));
  if (timeMs === undefined) throw new UnusableRecord(`timestamp_raw: expected nanoseconds since 1970`);
  return timeMs;
}
