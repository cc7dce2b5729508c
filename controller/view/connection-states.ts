import type { TrafficGraph } from '../graph/traffic-graph.ts';
import type { ConnectionJudge, JudgedConnection, JudgedState } from './connection-judge.ts';
import { connectionStates } from './graph-shape.ts';

const stateBits = 0b0111;
/** It had passed when it was judged: the only part of its evidence that its state depends on. */
const passedBit = 0b1000;

/**
 * The state of every connection of a graph, a byte for each. Under a new judge the states stay as they were until they are
 * judged anew, some at a time, so that nobody waits for all of them.
 */
export class ConnectionStates {
  readonly #graph: TrafficGraph;
  #judge: ConnectionJudge;
  #bytes = new Uint8Array(1024);
  /** Rows below were judged by this judge. */
  #judged = 0;
  #revision = 0;

  constructor(graph: TrafficGraph, judge: ConnectionJudge) {
    this.#graph = graph;
    this.#judge = judge;
  }

  get judge(): ConnectionJudge {
    return this.#judge;
  }

  /** Another number whenever a state that was told has changed. */
  get revision(): number {
    return this.#revision;
  }

  renew(judge: ConnectionJudge): void {
    this.#judge = judge;
    this.#judged = 0;
  }

  /** Goes on with judging, at most so many; answers with the rows whose state changed, undefined when all are judged. */
  judgeMore(most: number): readonly number[] | undefined {
    const { size } = this.#graph;
    if (this.#judged >= size) return undefined;
    const changed: number[] = [];
    const end = Math.min(size, this.#judged + most);
    for (; this.#judged < end; this.#judged++) if (this.#note(this.#judged)) changed.push(this.#judged);
    return changed;
  }

  /** For a connection that was seen again. */
  seenAgain(row: number): void {
    const byte = this.#bytes[row] ?? 0;
    if (byte !== 0 && (byte & passedBit) === 0) this.#note(row);
  }

  /** The state of a connection, as its number in `connectionStates`. */
  indexAt(row: number): number {
    if ((this.#bytes[row] ?? 0) === 0) this.#note(row);
    return ((this.#bytes[row] as number) & stateBits) - 1;
  }

  /** As it is judged now, with the reason. */
  explainAt(row: number): JudgedState {
    return this.#judge.judge(this.#judgedAt(row));
  }

  #judgedAt(row: number): JudgedConnection {
    const { from, to, protocol, port, directed, allowed, audited } = this.#graph.summaryAt(row);
    const [source, destination] = [this.#graph.endpointAt(from), this.#graph.endpointAt(to)];
    return { source, destination, protocol, port, directed, passed: allowed + audited > 0 };
  }

  /** True when another state was known before. */
  #note(row: number): boolean {
    const connection = this.#judgedAt(row);
    const { passed } = connection;
    const { state } = this.#judge.judge(connection);
    if (row >= this.#bytes.length) this.#grow(row);
    const before = this.#bytes[row] as number;
    const after = (connectionStates.indexOf(state) + 1) | (passed ? passedBit : 0);
    this.#bytes[row] = after;
    const changed = before !== 0 && (before & stateBits) !== (after & stateBits);
    if (changed) this.#revision++;
    return changed;
  }

  #grow(row: number): void {
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, row + 1));
    larger.set(this.#bytes);
    this.#bytes = larger;
  }
}
