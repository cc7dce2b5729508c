import { type Flow, unnamedPeer } from '../../model/flow.ts';
import { protocolNumber } from '../../model/protocol.ts';
import { type ConntrackEntry, parseConntrackEntry } from './conntrack-entry.ts';
import { type LineOutcome, type LineReader, outcomeOf, skipped } from './line-outcome.ts';

/**
 * Reads `conntrack -E` and `-L` in any text form, and /proc/net/nf_conntrack. Entries without a time of their own
 * have that of the last event before them in the file, or `fallbackMs` where there is none.
 */
export function conntrackLines(fallbackMs: number): LineReader {
  const connections = new ConntrackConnections();
  let lastMs = fallbackMs;
  return (line, loggedMs) =>
    outcomeOf(() => {
      const message = messageOf(line, loggedMs ?? lastMs);
      if (message !== undefined) return message;
      const entry = parseConntrackEntry(line);
      lastMs = entry.timeMs ?? loggedMs ?? lastMs;
      return connections.outcome(entry, lastMs);
    });
}

/** What conntrack itself says on standard error, which often ends up in the same file. */
function messageOf(line: string, timeMs: number): LineOutcome | undefined {
  if (line.includes('ENOBUFS')) {
    return { kind: 'losses', losses: [{ timeMs, source: 'conntrack', node: '', events: undefined, kind: 'lost' }] };
  }
  return /^conntrack v\S+ \(conntrack-tools\):/.test(line) ? skipped : undefined;
}

interface Known {
  readonly firstMs: number;
  readonly directed: boolean;
  lastMs: number;
  answered: boolean;
}

const rememberedConnections = 200_000;

/**
 * Folds the events of one connection: a flow when it is first seen, one more when the server is first seen to answer, and
 * one at its end if that brings something new (that nobody answered, or its bytes). Only the first counts as a connection.
 */
class ConntrackConnections {
  readonly #known = new Map<string, Known>();

  outcome(entry: ConntrackEntry, timeMs: number): LineOutcome {
    if (isLoopback(entry.original.source) && isLoopback(entry.reply.source)) return skipped;
    switch (entry.event) {
      case 'snapshot':
        return flowOf(entry, timeMs, timeMs, provesOpener(entry), !entry.unreplied, 1);
      case 'new':
        return this.#first(entry, timeMs, isFirstPacket(entry));
      case 'update': {
        const known = this.#known.get(entry.key);
        return known === undefined
          ? this.#first(entry, timeMs, provesOpener(entry))
          : this.#update(entry, known, timeMs);
      }
      case 'destroy':
        return this.#end(entry, timeMs);
    }
  }

  #first(entry: ConntrackEntry, timeMs: number, directed: boolean): LineOutcome {
    const answered = !entry.unreplied;
    if (this.#known.size >= rememberedConnections) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    this.#known.set(entry.key, { firstMs: timeMs, lastMs: timeMs, directed, answered });
    return flowOf(entry, timeMs, timeMs, directed, answered || undefined, 1);
  }

  #update(entry: ConntrackEntry, known: Known, timeMs: number): LineOutcome {
    known.lastMs = Math.max(known.lastMs, timeMs);
    if (known.answered || entry.unreplied) return skipped;
    known.answered = true;
    return flowOf(entry, known.firstMs, known.lastMs, known.directed, true, 0);
  }

  /** The kernel forgets an entry long after its last packet, so the end of the flow is the last event before. */
  #end(entry: ConntrackEntry, timeMs: number): LineOutcome {
    const answered = !entry.unreplied;
    const known = this.#known.get(entry.key);
    if (known === undefined) return flowOf(entry, timeMs, timeMs, provesOpener(entry), answered, 1);
    this.#known.delete(entry.key);
    if (answered === known.answered && answered && bytesOf(entry) === 0) return skipped;
    return flowOf(entry, known.firstMs, known.lastMs, known.directed, answered || known.answered, 0);
  }
}

function flowOf(
  entry: ConntrackEntry,
  timeMs: number,
  endMs: number,
  directed: boolean,
  answered: boolean | undefined,
  connections: number,
): LineOutcome {
  const { original, reply, protocol } = entry;
  const translated = isTranslated(entry) ? { ip: original.destination, port: original.destinationPort } : undefined;
  const flow: Flow = {
    timeMs,
    endMs,
    client: { ...unnamedPeer, ip: original.source },
    server: { ...unnamedPeer, ip: reply.source },
    clientPort: original.sourcePort,
    port: reply.sourcePort,
    addressed: translated,
    ...(reply.destination === original.source ? {} : { translatedClient: reply.destination }),
    protocol,
    directed,
    verdict: 'allowed',
    answered,
    connections,
    bytes: bytesOf(entry),
    source: 'conntrack',
    node: '',
  };
  return { kind: 'flow', flow };
}

function bytesOf({ original, reply }: ConntrackEntry): number {
  return Math.max(0, original.bytes) + Math.max(0, reply.bytes);
}

/**
 * Whether the packet that made the entry also opened the connection. TCP and its like may be picked up in the middle, and
 * then the first packet seen says nothing about who opened it; protocols without a handshake begin with any packet.
 */
function isFirstPacket(entry: ConntrackEntry): boolean {
  switch (entry.protocol) {
    case protocolNumber.TCP:
    case protocolNumber.SCTP:
    case protocolNumber.DCCP:
      return provesOpener(entry);
    default:
      return true;
  }
}

/**
 * Whether the entry itself proves that its original side opened the connection: by its state, or because its destination
 * was translated, which rules do to what is sent to a Service and never to an answer.
 */
function provesOpener(entry: ConntrackEntry): boolean {
  return isHandshake(entry) || isTranslated(entry);
}

function isTranslated({ original, reply }: ConntrackEntry): boolean {
  return original.destination !== reply.source || original.destinationPort !== reply.sourcePort;
}

/** States that are reached only by the opening packet of the original side; SYN_RECV follows nothing but SYN_SENT. */
function isHandshake({ protocol, state }: ConntrackEntry): boolean {
  switch (protocol) {
    case protocolNumber.TCP:
      return state === 'SYN_SENT' || state === 'SYN_RECV';
    case protocolNumber.SCTP:
      return state === 'COOKIE_WAIT';
    case protocolNumber.DCCP:
      return state === 'REQUEST';
    default:
      return false;
  }
}

function isLoopback(ip: string): boolean {
  return ip.startsWith('127.') || ip === '::1';
}
