import { setImmediate as otherWork } from 'node:timers/promises';
import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { Problem } from '../../model/problem.ts';
import type { Clock, FlowBatch, FlowSource, RejectedRecord } from '../../ports.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { ConntrackConnections } from './conntrack-connections.ts';
import type { ConntrackEntry } from './conntrack-entry.ts';
import { parseConntrackMessage } from './conntrack-message.ts';
import { tableFailure } from './conntrack-failure.ts';
import { ConntrackTable } from './conntrack-table.ts';
import { droppedEvents } from './dropped-events.ts';
import { hostAddresses, type IsOwnTarget, standing } from './host-noise.ts';
import { IdleTimes } from './idle-times.ts';
import { netlinkMessages } from './netlink-message.ts';
import { NetlinkSocket } from './netlink-socket.ts';
import { ObservedTimes } from './observed-times.ts';
import { TrackingWatch } from './tracking-watch.ts';

export interface ConntrackSourceOptions {
  /** The node that reports. */
  readonly node: string;
  readonly clock: Clock;
  /** Room in the kernel for events that were not read yet; each takes about 1,280 bytes of it. @default 64 MiB */
  readonly bufferBytes?: number;
  /** The table is read anew so often, for connections that last long. @default 300000 */
  readonly tableMs?: number;
  /** It is looked at so often whether connections are tracked at all. @default 30000 */
  readonly lookMs?: number;
  /** It is told so often that the node was observed, where that is sure. @default 60000, or each look if that is rarer */
  readonly aliveMs?: number;
  /** How many connections are remembered at once. @default 262144 */
  readonly remembered?: number;
  /** Where nanoseg itself is reached, so that what this node sends there is left out. @default nowhere */
  readonly isOwnTarget?: IsOwnTarget;
}

export interface ConntrackCounters {
  /** Events and entries of tables that were read. */
  readonly entries: number;
  readonly noise: number;
  readonly rejected: number;
  /** Events that the kernel threw away because they were not read in time. */
  readonly lost: number;
  readonly tables: number;
  /** Connections that are remembered now. */
  readonly remembered: number;
}

export interface ConntrackSource extends FlowSource {
  readonly counters: ConntrackCounters;
  /** What a person should know about tracking on this node, as of the last look. */
  readonly findings: readonly Problem[];
}

const nowhere: IsOwnTarget = () => false;

/** NEW, UPDATE and DESTROY of connection tracking (NFNLGRP_CONNTRACK_*, each a bit of the mask). */
const conntrackGroups = 0b111;
/** So long is read before other work has its turn. */
const sliceMs = 10;
const mostFlows = 1_000;
/** The socket is looked at so often even if nothing comes, for the signal and the table's time. */
const waitMs = 1_000;
/** A flood that goes on must not make tables without end. */
const leastBetweenTablesMs = 5_000;

/**
 * The connections that the kernel of this network namespace tracks, as they begin, are answered and end, without any
 * program or eBPF of nanoseg in the kernel. Needs CAP_NET_ADMIN; changes no setting.
 */
export function conntrackSource(options: ConntrackSourceOptions): ConntrackSource {
  return new LiveConntrack(options);
}

class LiveConntrack implements ConntrackSource {
  readonly name = 'conntrack';
  readonly #options: ConntrackSourceOptions;
  readonly #connections: ConntrackConnections;
  readonly #watch: TrackingWatch;
  #addresses: ReadonlySet<string> = new Set();
  /** Since the last look at tracking. */
  #seen = { all: 0, forwarded: 0 };
  readonly #observedTime: ObservedTimes;
  /** The kernel dropped events, and that is not noted yet. */
  #overrun = false;
  #idle = new IdleTimes(undefined);
  #entries = 0;
  #noise = 0;
  #rejected = 0;
  #lost = 0;
  #tables = 0;

  constructor(options: ConntrackSourceOptions) {
    this.#options = options;
    const { node, remembered = 262_144, lookMs = 30_000 } = options;
    this.#watch = new TrackingWatch(lookMs);
    this.#observedTime = new ObservedTimes(node, options.aliveMs ?? 60_000);
    this.#connections = new ConntrackConnections({ node, remembered });
  }

  get counters(): ConntrackCounters {
    return {
      entries: this.#entries,
      noise: this.#noise,
      rejected: this.#rejected,
      lost: this.#lost,
      tables: this.#tables,
      remembered: this.#connections.size,
    };
  }

  get findings(): readonly Problem[] {
    return this.#watch.findings;
  }

  progress(): { readonly doneBytes: number; readonly totalBytes: undefined } {
    return { doneBytes: 0, totalBytes: undefined };
  }

  async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch, void, void> {
    if (signal.aborted) return;
    using listener = listen(this.#options.bufferBytes ?? 64 << 20);
    const wake = () => listener.wake();
    signal.addEventListener('abort', wake, { once: true });
    try {
      yield* this.#listen(listener, signal);
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  async *#listen(listener: NetlinkSocket, signal: AbortSignal): AsyncGenerator<FlowBatch, void, void> {
    const { clock, tableMs = 300_000 } = this.#options;
    const drops = new Drops(listener.port);
    this.#addresses = hostAddresses();
    this.#observedTime.begin();
    yield this.#beginning();
    let nextTableMs = 0;
    let lastTableMs = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const draft = new BatchDraft();
      const left = this.#drain(listener, draft);
      if (this.#overrun) nextTableMs = Math.min(nextTableMs, lastTableMs + leastBetweenTablesMs);
      if (this.#overrun || clock.now() >= drops.nextMs) await this.#noteDrops(drops, draft);
      if (this.#watch.isDue(clock.now())) await this.#look(draft);
      if (!draft.isEmpty) yield draft.take();
      if (left !== 'empty') {
        await otherWork();
        continue;
      }
      if (clock.now() >= nextTableMs) {
        lastTableMs = clock.now();
        nextTableMs = lastTableMs + tableMs;
        yield* this.#readTable(listener, signal);
        continue;
      }
      await listener.readable(Math.min(waitMs, nextTableMs - clock.now()));
    }
    const last = new BatchDraft();
    this.#drain(listener, last);
    await this.#noteDrops(drops, last);
    if (!last.isEmpty) yield last.take();
  }

  /** Whoever listened before does not any more: what began and ended meanwhile is in no table. */
  #beginning(): FlowBatch {
    const { clock, node } = this.#options;
    const draft = new BatchDraft();
    draft.losses.push({ timeMs: clock.now(), source: 'conntrack', node, events: undefined, kind: 'started' });
    return draft.take();
  }

  /** Reads what is there, for a while: `empty` when that was all. */
  #drain(listener: NetlinkSocket, draft: BatchDraft): 'empty' | 'more' {
    const now = this.#options.clock.now();
    const endMs = performance.now() + sliceMs;
    while (draft.flows.length < mostFlows) {
      const received = listener.receive();
      if (received === 'empty') return 'empty';
      if (received === 'overrun') {
        this.#overrun = true;
        return 'more';
      }
      this.#take(received, false, now, draft);
      if (performance.now() >= endMs) break;
    }
    return 'more';
  }

  /** The whole table, each part after the events that were told before it was made. */
  async *#readTable(listener: NetlinkSocket, signal: AbortSignal): AsyncGenerator<FlowBatch, void, void> {
    using table = new ConntrackTable();
    this.#idle = await IdleTimes.read();
    this.#connections.beginTable();
    for (let part: Uint8Array | undefined = new Uint8Array(); part !== undefined; ) {
      part = await table.next();
      if (signal.aborted) return;
      for (let left = 'more'; left === 'more'; ) {
        const draft = new BatchDraft();
        left = this.#drain(listener, draft);
        if (left === 'empty' && part !== undefined) this.#take(part, true, this.#options.clock.now(), draft);
        if (!draft.isEmpty) yield draft.take();
        if (left === 'more') await otherWork();
      }
    }
    this.#connections.endTable();
    this.#observedTime.tableRead();
    this.#tables++;
  }

  #take(received: Uint8Array, fromTable: boolean, now: number, draft: BatchDraft): void {
    for (const message of netlinkMessages(received)) {
      draft.records++;
      this.#entries++;
      try {
        if (message === undefined) throw new UnusableRecord('a message that does not fit into what was received');
        const parsed = parseConntrackMessage(received, message, fromTable);
        const flow = parsed && this.#flow(parsed.entry, now - this.#idle.idleMs(parsed));
        if (flow !== undefined) draft.flows.push(flow);
        else draft.skipped++;
      } catch (error) {
        if (!(error instanceof UnusableRecord)) throw error;
        this.#rejected++;
        draft.reject(error.message);
      }
    }
  }

  #flow(entry: ConntrackEntry, timeMs: number): Flow | undefined {
    const side = standing(entry, this.#addresses, this.#options.isOwnTarget ?? nowhere);
    this.#seen.all++;
    if (side === 'forwarded') this.#seen.forwarded++;
    if (side === 'noise') {
      this.#noise++;
      return undefined;
    }
    return this.#connections.flow(entry, timeMs);
  }

  /** A node on which nothing can be seen is no quiet node. */
  async #look(draft: BatchDraft): Promise<void> {
    const { clock, node } = this.#options;
    this.#addresses = hostAddresses();
    const seen = this.#seen;
    this.#seen = { all: 0, forwarded: 0 };
    const { turnedBlind, watched } = await this.#watch.look(clock.now(), seen);
    const observed = this.#observedTime.lookedAt(clock.now(), watched);
    if (observed !== undefined) draft.observed.push(observed);
    if (!turnedBlind) return;
    draft.losses.push({ timeMs: clock.now(), source: 'conntrack', node, events: undefined, kind: 'unavailable' });
  }

  async #noteDrops(drops: Drops, draft: BatchDraft): Promise<void> {
    const { clock, node } = this.#options;
    const overrun = this.#overrun;
    this.#overrun = false;
    const events = await drops.since(clock.now());
    if (!overrun && !events) return;
    this.#lost += events ?? 0;
    // an overrun whose drops were counted with those of the one before is no loss of its own
    if (events === 0) return;
    draft.losses.push({ timeMs: clock.now(), source: 'conntrack', node, events, kind: 'lost' });
  }
}

function listen(bufferBytes: number): NetlinkSocket {
  try {
    const listener = new NetlinkSocket(conntrackGroups);
    listener.reserve(bufferBytes);
    return listener;
  } catch (error) {
    throw tableFailure(error);
  }
}

/** The kernel's own count of what it threw away. */
class Drops {
  readonly #port: number;
  #seen = 0;
  nextMs = 0;

  constructor(port: number) {
    this.#port = port;
  }

  /** Those since this was asked last; undefined where the kernel does not say. */
  async since(nowMs: number): Promise<number | undefined> {
    this.nextMs = nowMs + waitMs;
    const drops = await droppedEvents(this.#port);
    if (drops === undefined) return undefined;
    const fresh = drops - this.#seen;
    this.#seen = drops;
    return fresh;
  }
}

const mostRejected = 10;

class BatchDraft {
  readonly flows: Flow[] = [];
  readonly losses: FlowLoss[] = [];
  readonly observed: ObservedTime[] = [];
  readonly #rejected: RejectedRecord[] = [];
  records = 0;
  skipped = 0;

  get isEmpty(): boolean {
    return this.flows.length + this.losses.length + this.observed.length + this.#rejected.length === 0;
  }

  reject(reason: string): void {
    if (this.#rejected.length < mostRejected) this.#rejected.push({ where: 'conntrack', reason });
  }

  take(): FlowBatch {
    const { flows, losses, observed, records, skipped } = this;
    return { flows, losses, observed, rejected: this.#rejected, records, skipped };
  }
}
