import type { Flow, FlowLoss } from '../../model/flow.ts';

/** A flow that others are added to. */
interface Sum {
  readonly flow: Flow;
  timeMs: number;
  endMs: number;
  connections: number;
  bytes: number;
}

/**
 * Flows of one interval, added up where all but the client's port, the times and the counts are the same. Those that began
 * in another slot of time stay apart, as addresses had other owners then. Memory is bounded: beyond `mostSums` distinct
 * ones, further ones are counted as lost.
 */
export class FlowAggregate {
  readonly #slotMs: number;
  readonly #mostSums: number;
  #sums = new Map<string, Sum>();
  #lost: FlowLoss | undefined;

  constructor(slotMs: number, mostSums: number) {
    this.#slotMs = slotMs;
    this.#mostSums = mostSums;
  }

  get size(): number {
    return this.#sums.size;
  }

  add(flow: Flow): void {
    const key = keyOf(flow, Math.floor(flow.timeMs / this.#slotMs));
    const sum = this.#sums.get(key);
    if (sum !== undefined) {
      sum.timeMs = Math.min(sum.timeMs, flow.timeMs);
      sum.endMs = Math.max(sum.endMs, flow.endMs);
      sum.connections += flow.connections;
      sum.bytes += flow.bytes;
    } else if (this.#sums.size < this.#mostSums) {
      const { timeMs, endMs, connections, bytes } = flow;
      this.#sums.set(key, { flow, timeMs, endMs, connections, bytes });
    } else {
      const { endMs: timeMs, source, node } = flow;
      this.#lost = { timeMs, source, node, kind: 'lost', events: (this.#lost?.events ?? 0) + 1 };
    }
  }

  /** What was added since this was asked last. */
  take(): { readonly flows: readonly Flow[]; readonly losses: readonly FlowLoss[] } {
    const flows = Array.from(this.#sums.values(), ({ flow, timeMs, endMs, connections, bytes }) => {
      return { ...flow, timeMs, endMs, connections, bytes, clientPort: 0 };
    });
    const losses = this.#lost === undefined ? [] : [this.#lost];
    this.#sums = new Map();
    this.#lost = undefined;
    return { flows, losses };
  }
}

function keyOf(flow: Flow, slot: number): string {
  const { client, server, port, protocol, addressed, translatedClient, directed, verdict, answered, node } = flow;
  return `${slot} ${client.ip} ${server.ip} ${port} ${protocol} ${addressed?.ip} ${addressed?.port} ${translatedClient} ${directed} ${verdict} ${answered} ${node}`;
}
