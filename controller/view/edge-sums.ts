import type { ConnectionSummary } from '../graph/traffic-graph.ts';
import { protocolName } from '../model/protocol.ts';
import { type ConnectionState, connectionStates, type EdgeAttributes } from './graph-shape.ts';
import { PairTable } from './pair-table.ts';
import { bytesOf, TextRoom } from './text-room.ts';

/** A scan of a thousand ports shall not fill the page. */
const portsShown = 8;
/** Ports of one edge that are told apart. */
const portsKept = 256;
/** Numbers of one edge, by what they are. */
const fields = 6;
const [connections, passed, denied, firstMs, lastMs, port] = [0, 1, 2, 3, 4, 5] as const;
const stateBits = 0b0111;
const directedBit = 0b1000;
/** Numbers of protocol and port are below. */
const portKeys = 0x100_0000;

const parts = {
  passed: bytesOf(',"passed":'),
  denied: bytesOf(',"denied":'),
  firstSeen: bytesOf(',"firstSeen":"'),
  lastSeen: bytesOf('","lastSeen":"'),
  quote: bytesOf('"'),
  undirected: bytesOf(',"undirected":true}'),
  end: bytesOf('}'),
};

/**
 * What many connections come to, edge by edge, in one table of numbers: an object for each of a hundred thousand edges would
 * take longer than everything else about them.
 */
export class EdgeSums {
  /** Of the edges that have anything, and of those that were opened. */
  readonly pairs: PairTable;
  #numbers: Float64Array<ArrayBuffer>;
  /** The state that needs a person's eyes most, and whether any connection is directed. */
  #marks: Uint8Array<ArrayBuffer>;
  /** How many are in each state, of edges with more than one. */
  readonly #states = new Map<number, number[]>();
  /** Protocol and port in one number each, of edges with more than one. */
  readonly #ports = new Map<number, number[]>();
  /** How the text of an edge begins that has one state and one port: the same for most. */
  readonly #heads = new Map<number, DataView>();

  /** `expected`: edges that there is room for at first. */
  constructor(expected = 64) {
    this.pairs = new PairTable(expected);
    this.#numbers = new Float64Array(expected * fields);
    this.#marks = new Uint8Array(expected);
  }

  /** The index of an edge, of which nothing may be added yet. */
  open(source: number, target: number): number {
    const index = this.pairs.open(source, target);
    if (index >= this.#marks.length) this.#grow();
    return index;
  }

  /** `stateIndex`: its number in `connectionStates`. */
  add(index: number, summary: ConnectionSummary, stateIndex: number): void {
    const at = index * fields;
    const n = this.#numbers;
    const before = n[at + connections] as number;
    const mark = this.#marks[index] as number;
    const known = mark & stateBits;
    if (before > 0 && (known !== stateIndex || this.#states.size > 0)) this.#addState(index, before, known, stateIndex);
    const most = before === 0 || stateIndex > known ? stateIndex : known;
    this.#marks[index] = most | (mark & directedBit) | (summary.directed ? directedBit : 0);
    n[at + connections] = before + 1;
    n[at + passed] = (n[at + passed] as number) + summary.allowed + summary.audited;
    n[at + denied] = (n[at + denied] as number) + summary.denied;
    if (before === 0 || summary.firstMs < (n[at + firstMs] as number)) n[at + firstMs] = summary.firstMs;
    if (summary.lastMs > (n[at + lastMs] as number)) n[at + lastMs] = summary.lastMs;
    const key = summary.protocol * 0x1_0000 + summary.port;
    if (before === 0) n[at + port] = key;
    else if (n[at + port] !== key) this.#addPort(index, n[at + port] as number, key);
  }

  attributes(index: number): EdgeAttributes {
    const room = new TextRoom(256);
    this.write(index, room);
    return JSON.parse(new TextDecoder().decode(room.written)) as EdgeAttributes;
  }

  /** Writes the attributes of an edge in JSON. */
  write(index: number, room: TextRoom): void {
    const at = index * fields;
    const n = this.#numbers;
    room.copy(this.#head(index));
    room.count(n[at + connections] as number);
    room.copy(parts.passed);
    room.count(n[at + passed] as number);
    room.copy(parts.denied);
    room.count(n[at + denied] as number);
    const last = n[at + lastMs] as number;
    if (last > 0) {
      room.copy(parts.firstSeen);
      room.time(n[at + firstMs] as number);
      room.copy(parts.lastSeen);
      room.time(last);
      room.copy(parts.quote);
    }
    room.copy(((this.#marks[index] as number) & directedBit) === 0 ? parts.undirected : parts.end);
  }

  /** Up to the number of connections. */
  #head(index: number): DataView {
    const state = (this.#marks[index] as number) & stateBits;
    const [counts, several] = [this.#states.get(index), this.#ports.get(index)];
    if (counts !== undefined || several !== undefined) {
      return headBytes(state, counts, several ?? [this.#numbers[index * fields + port] as number]);
    }
    const key = this.#numbers[index * fields + port] as number;
    const id = state * portKeys + key;
    let head = this.#heads.get(id);
    if (head === undefined) this.#heads.set(id, (head = headBytes(state, undefined, [key])));
    return head;
  }

  #grow(): void {
    const [numbers, marks] = [this.#numbers, this.#marks];
    this.#numbers = new Float64Array(numbers.length * 2);
    this.#numbers.set(numbers);
    this.#marks = new Uint8Array(marks.length * 2);
    this.#marks.set(marks);
  }

  #addState(index: number, before: number, known: number, added: number): void {
    let counts = this.#states.get(index);
    if (counts === undefined) {
      if (known === added) return;
      counts = connectionStates.map((_, i) => (i === known ? before : 0));
      this.#states.set(index, counts);
    }
    counts[added] = (counts[added] as number) + 1;
  }

  #addPort(index: number, first: number, added: number): void {
    const known = this.#ports.get(index);
    if (known === undefined) this.#ports.set(index, [first, added]);
    else if (known.length < portsKept && !known.includes(added)) known.push(added);
  }
}

function headBytes(state: number, counts: readonly number[] | undefined, ports: readonly number[]): DataView {
  const states = counts === undefined ? '' : `,"states":${JSON.stringify(stateCounts(counts))}`;
  const words = JSON.stringify(portWords(ports));
  return bytesOf(`{"state":"${connectionStates[state]}"${states},"ports":${words},"connections":`);
}

function stateCounts(counts: readonly number[]): Partial<Record<ConnectionState, number>> {
  return Object.fromEntries(counts.flatMap((count, i) => (count === 0 ? [] : [[connectionStates[i], count]])));
}

/** `TCP 8080, 9090; UDP 53; ICMP` of numbers that hold protocol and port. */
function portWords(keys: readonly number[]): string {
  const byProtocol = Map.groupBy(
    keys.toSorted((a, b) => a - b),
    (key) => key >>> 16,
  );
  return [...byProtocol]
    .map(([protocol, some]) => {
      const ports = some.map((key) => key & 0xffff).filter((each) => each !== 0);
      const more = ports.length - portsShown;
      const rest = more <= 0 ? '' : keys.length >= portsKept ? ' and more' : ` and ${more} more`;
      const name = protocolName(protocol);
      return ports.length === 0 ? name : `${name} ${ports.slice(0, portsShown).join(', ')}${rest}`;
    })
    .join('; ');
}
