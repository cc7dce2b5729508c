import type { ConnectionSummary } from '../graph/traffic-graph.ts';
import { protocolName } from '../model/protocol.ts';
import { type ConnectionState, connectionStates, type EdgeAttributes } from './graph-shape.ts';
import { isoText } from './iso-text.ts';
import { PairTable } from './pair-table.ts';

/** A scan of a thousand ports shall not fill the page. */
const portsShown = 8;
/** Ports of one edge that are told apart. */
const portsKept = 256;
/** Numbers of one edge, by what they are. */
const fields = 6;
const [connections, passed, denied, firstMs, lastMs, port] = [0, 1, 2, 3, 4, 5] as const;
const directedBit = 0b1000;

/**
 * What many connections come to, edge by edge, in one table of numbers: an object for each of a hundred thousand edges would
 * take longer than everything else about them.
 */
export class EdgeSums {
  /** Of the edges that have anything, and of those that were opened. */
  readonly pairs = new PairTable();
  #numbers = new Float64Array(64 * fields);
  /** The state that needs a person's eyes most, and whether any connection is directed. */
  #marks = new Uint8Array(64);
  /** How many are in each state, of edges with more than one. */
  readonly #states = new Map<number, number[]>();
  /** Protocol and port in one number each, of edges with more than one. */
  readonly #ports = new Map<number, number[]>();
  readonly #words = new Map<number, string>();

  /** The index of an edge, of which nothing may be added yet. */
  open(source: number, target: number): number {
    const index = this.pairs.open(source, target);
    if (index >= this.#marks.length) this.#grow();
    return index;
  }

  add(index: number, summary: ConnectionSummary, state: ConnectionState): void {
    const at = index * fields;
    const n = this.#numbers;
    const before = n[at + connections] as number;
    const stateIndex = connectionStates.indexOf(state);
    const mark = this.#marks[index] as number;
    const known = mark & 0b0111;
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
    return JSON.parse(this.text(index)) as EdgeAttributes;
  }

  /** The attributes of an edge in JSON. */
  text(index: number): string {
    const at = index * fields;
    const n = this.#numbers;
    const mark = this.#marks[index] as number;
    const states = this.#states.get(index);
    const several = states === undefined ? '' : `,"states":${JSON.stringify(stateCounts(states))}`;
    const last = n[at + lastMs] as number;
    const seen = last > 0 ? `,"firstSeen":"${isoText(n[at + firstMs] as number)}","lastSeen":"${isoText(last)}"` : '';
    const undirected = (mark & directedBit) === 0 ? ',"undirected":true' : '';
    return `{"state":"${connectionStates[mark & 0b0111]}"${several},"ports":${this.#portText(index)},"connections":${n[at + connections]},"passed":${n[at + passed]},"denied":${n[at + denied]}${seen}${undirected}}`;
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

  #portText(index: number): string {
    const several = this.#ports.get(index);
    if (several !== undefined) return JSON.stringify(portWords(several));
    const key = this.#numbers[index * fields + port] as number;
    let words = this.#words.get(key);
    if (words === undefined) this.#words.set(key, (words = JSON.stringify(portWords([key]))));
    return words;
  }
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
