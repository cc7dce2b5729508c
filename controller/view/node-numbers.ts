import type { TrafficGraph } from '../graph/traffic-graph.ts';
import { hiddenKey, type NodeFacts, nodeKey, type NodeScope } from './graph-nodes.ts';
import type { PairTable } from './pair-table.ts';

/** The number of what the caller may not see. */
export const hiddenNumber = 0;

/** Numbers instead of the keys of nodes, found by the number of an endpoint; endpoints may come while it is in use. */
export class NodeNumbers {
  readonly #graph: TrafficGraph;
  readonly #facts: NodeFacts;
  readonly #scope: NodeScope;
  #byEndpoint: Int32Array<ArrayBuffer>;
  readonly #byKey = new Map<string, number>([[hiddenKey, hiddenNumber]]);
  readonly #keys: string[] = [hiddenKey];

  constructor({ graph, facts }: { readonly graph: TrafficGraph; readonly facts: NodeFacts }, scope: NodeScope) {
    this.#graph = graph;
    this.#facts = facts;
    this.#scope = scope;
    this.#byEndpoint = new Int32Array(graph.endpointCount).fill(-1);
  }

  of(position: number): number {
    const known = this.#byEndpoint[position] ?? -1;
    return known >= 0 ? known : this.#numberOf(position);
  }

  key(number: number): string {
    return this.#keys[number] as string;
  }

  /** Numbers are below. */
  get size(): number {
    return this.#keys.length;
  }

  /** Whether there is an edge between two keys. */
  edgesIn(pairs: PairTable): (source: string, target: string) => boolean {
    return (source, target) => {
      const [from, to] = [this.#byKey.get(source), this.#byKey.get(target)];
      return from !== undefined && to !== undefined && pairs.find(from, to) !== undefined;
    };
  }

  #numberOf(position: number): number {
    const key = nodeKey(this.#graph.endpointAt(position), this.#scope, this.#facts);
    let number = this.#byKey.get(key);
    if (number === undefined) {
      number = this.#keys.push(key) - 1;
      this.#byKey.set(key, number);
    }
    if (position >= this.#byEndpoint.length) this.#grow();
    this.#byEndpoint[position] = number;
    return number;
  }
  #grow(): void {
    const larger = new Int32Array(this.#graph.endpointCount * 2).fill(-1);
    larger.set(this.#byEndpoint);
    this.#byEndpoint = larger;
  }
}
