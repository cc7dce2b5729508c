import { type Flow, unnamedPeer } from '../../model/flow.ts';
import { protocolNumber } from '../../model/protocol.ts';
import type { ConntrackEntry } from './conntrack-entry.ts';

interface Known {
  readonly firstMs: number;
  readonly directed: boolean;
  lastMs: number;
  answered: boolean;
  /** Not reported yet, as nothing shows who opened it and the next event may. */
  readonly undecided: boolean;
  /** As counted when it was last reported. */
  bytes: number;
  /** Seen first in a table, so that its first event may still come. */
  readonly fromTable: boolean;
  /** The number of the table that it was last seen in, or before which it had its last event. */
  table: number;
}

/** Tables tell the time of the last packet in whole seconds, and on this scale all packets are one. */
const tableGrainMs = 2_000;

export interface ConntrackConnectionsOptions {
  /** How many connections are remembered at once; beyond, the one that was seen first is forgotten. @default 200000 */
  readonly remembered?: number;
  /** The node that reports. @default '' */
  readonly node?: string;
}

/**
 * Folds the events of one connection: a flow when it is first seen, one more when the server is first seen to answer, and
 * one at its end if that brings something new (that nobody answered, or its bytes). A table that is read again tells of
 * each connection that is still in use. Only the first flow counts as a connection.
 */
export class ConntrackConnections {
  readonly #remembered: number;
  readonly #node: string;
  readonly #known = new Map<string, Known>();
  #table = 0;
  /** Connections that ended while a table is read, in which they may stand nevertheless. */
  #ended: Set<string> | undefined;

  constructor({ remembered = 200_000, node = '' }: ConntrackConnectionsOptions = {}) {
    this.#remembered = remembered;
    this.#node = node;
  }

  /** Connections that are remembered now. */
  get size(): number {
    return this.#known.size;
  }

  /** Entries of a whole table follow, between events. */
  beginTable(): void {
    this.#table++;
    this.#ended = new Set();
  }

  /** What stood neither in this table nor in the one before, nor in an event since, is no more: its end was not told. */
  endTable(): void {
    this.#ended = undefined;
    for (const [key, { table }] of this.#known) if (table < this.#table - 1) this.#known.delete(key);
  }

  /** The flow that an entry brings, or undefined when it tells nothing new. `timeMs`: of the event, or of its last packet. */
  flow(entry: ConntrackEntry, timeMs: number): Flow | undefined {
    if (isLoopback(entry.original.source) && isLoopback(entry.reply.source)) return undefined;
    let known = this.#known.get(entry.key);
    if (known?.undecided) {
      // what comes after is its first report
      this.#known.delete(entry.key);
      if (entry.event === 'destroy') return this.#end(entry, undefined, known.firstMs);
      if (entry.event === 'update')
        return this.#first(entry, known.firstMs, provesOpener(entry), !entry.unreplied || undefined);
      known = undefined;
    }
    if (known !== undefined) known.table = this.#table;
    switch (entry.event) {
      case 'snapshot':
        return this.#standing(entry, known, timeMs);
      case 'new':
        // a table told of it before: what its first event adds is who opened it
        if (known?.fromTable && (known.directed || !isFirstPacket(entry))) return this.#update(entry, known, timeMs);
        if (isUndecided(entry)) return this.#wait(entry, timeMs);
        return this.#first(entry, timeMs, isFirstPacket(entry), !entry.unreplied || undefined);
      case 'update':
        return known === undefined
          ? this.#first(entry, timeMs, provesOpener(entry), !entry.unreplied || undefined)
          : this.#update(entry, known, timeMs);
      case 'destroy':
        return this.#end(entry, known, timeMs);
    }
  }

  #standing(entry: ConntrackEntry, known: Known | undefined, timeMs: number): Flow | undefined {
    const answered = !entry.unreplied;
    if (known === undefined) {
      return this.#ended?.has(entry.key) ? undefined : this.#first(entry, timeMs, provesOpener(entry), answered);
    }
    if (!isOpen(entry) || timeMs < known.lastMs + tableGrainMs) return undefined;
    known.lastMs = timeMs;
    known.answered ||= answered;
    const bytes = this.#newBytes(entry, known);
    // whoever opened it long ago had its address then: not whoever may have it now
    return this.#flow(entry, known.firstMs, timeMs, known.directed, known.answered || undefined, 0, bytes);
  }

  #wait(entry: ConntrackEntry, timeMs: number): undefined {
    this.#remember(entry, timeMs, { directed: false, answered: false, undecided: true, bytes: 0 });
  }

  #first(entry: ConntrackEntry, timeMs: number, directed: boolean, answered: boolean | undefined): Flow {
    const bytes = bytesOf(entry);
    this.#remember(entry, timeMs, { directed, answered: answered === true, undecided: false, bytes });
    return this.#flow(entry, timeMs, timeMs, directed, answered, 1, bytes);
  }

  #remember(
    { key, event }: ConntrackEntry,
    timeMs: number,
    facts: Pick<Known, 'directed' | 'answered' | 'undecided' | 'bytes'>,
  ): void {
    if (this.#known.size >= this.#remembered) {
      const oldest = this.#known.keys().next();
      if (!oldest.done) this.#known.delete(oldest.value);
    }
    const fromTable = event === 'snapshot';
    this.#known.set(key, { ...facts, firstMs: timeMs, lastMs: timeMs, fromTable, table: this.#table });
  }

  #update(entry: ConntrackEntry, known: Known, timeMs: number): Flow | undefined {
    known.lastMs = Math.max(known.lastMs, timeMs);
    if (known.answered || entry.unreplied) return undefined;
    known.answered = true;
    return this.#flow(entry, known.firstMs, known.lastMs, known.directed, true, 0, this.#newBytes(entry, known));
  }

  /** The kernel forgets an entry long after its last packet, so the end of the flow is the last event before. */
  #end(entry: ConntrackEntry, known: Known | undefined, timeMs: number): Flow | undefined {
    const answered = !entry.unreplied;
    this.#ended?.add(entry.key);
    if (known === undefined) {
      return this.#flow(entry, timeMs, timeMs, provesOpener(entry), answered, 1, bytesOf(entry));
    }
    this.#known.delete(entry.key);
    const bytes = this.#newBytes(entry, known);
    if (answered === known.answered && answered && bytes === 0) return undefined;
    return this.#flow(entry, known.firstMs, known.lastMs, known.directed, answered || known.answered, 0, bytes);
  }

  /** Counters only ever grow; those of an entry say everything since its beginning. */
  #newBytes(entry: ConntrackEntry, known: Known): number {
    const bytes = bytesOf(entry);
    const fresh = Math.max(0, bytes - known.bytes);
    known.bytes = Math.max(known.bytes, bytes);
    return fresh;
  }

  #flow(
    entry: ConntrackEntry,
    timeMs: number,
    endMs: number,
    directed: boolean,
    answered: boolean | undefined,
    connections: number,
    bytes: number,
  ): Flow {
    const { original, reply, protocol } = entry;
    return {
      timeMs,
      endMs,
      client: { ...unnamedPeer, ip: original.source },
      server: { ...unnamedPeer, ip: reply.source },
      clientPort: original.sourcePort,
      port: reply.sourcePort,
      addressed: isTranslated(entry) ? { ip: original.destination, port: original.destinationPort } : undefined,
      ...(reply.destination === original.source ? {} : { translatedClient: reply.destination }),
      protocol,
      directed,
      verdict: 'allowed',
      answered,
      connections,
      bytes,
      source: 'conntrack',
      node: this.#node,
    };
  }
}

function bytesOf({ original, reply }: ConntrackEntry): number {
  return Math.max(0, original.bytes) + Math.max(0, reply.bytes);
}

/** Whether packets may still come: TCP entries stand in the table for a while after their end. */
function isOpen({ protocol, state }: ConntrackEntry): boolean {
  return protocol !== protocolNumber.TCP || state === 'ESTABLISHED';
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
 * Whether the entry itself proves that its original side opened the connection: by its state, by what the kernel kept of its
 * first packet, or because its destination was translated, which rules do to what is sent to a Service and never to an answer.
 */
function provesOpener(entry: ConntrackEntry): boolean {
  return isHandshake(entry) || entry.sawOpening === true || isTranslated(entry);
}

function isTranslated({ original, reply }: ConntrackEntry): boolean {
  return original.destination !== reply.source || original.destinationPort !== reply.sourcePort;
}

/**
 * Newer kernels give every first packet of SCTP the state CLOSED, and COOKIE_WAIT when the answer to the handshake's first
 * packet came back.
 */
function isUndecided(entry: ConntrackEntry): boolean {
  return entry.protocol === protocolNumber.SCTP && entry.state === 'CLOSED' && !isTranslated(entry);
}

/**
 * States that are reached only by the opening packet of the original side, or the answer to it; SYN_RECV follows nothing but
 * SYN_SENT.
 */
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
