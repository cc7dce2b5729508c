import type { ConnectionSummary } from '../graph/traffic-graph.ts';
import { protocolName } from '../model/protocol.ts';
import { type ConnectionState, connectionStates, type EdgeAttributes } from './graph-shape.ts';

/** A scan of a thousand ports shall not fill the page. */
const portsShown = 8;
/** Ports of one edge that are told apart. */
const portsKept = 256;

/** What many connections of one edge come to. */
export class EdgeSum {
  #connections = 0;
  #passed = 0;
  #denied = 0;
  #firstMs = Number.POSITIVE_INFINITY;
  #lastMs = 0;
  #directed = false;
  /** Each as protocol and port in one number. */
  readonly #ports: number[] = [];
  /** Index of the state that needs a person's eyes most. */
  #state = 0;
  /** How many are in each state; made when there is a second one. */
  #states: number[] | undefined;

  add(
    { protocol, port, directed, allowed, audited, denied, firstMs, lastMs }: ConnectionSummary,
    state: ConnectionState,
  ) {
    const index = connectionStates.indexOf(state);
    if (this.#connections > 0 && (this.#states !== undefined || index !== this.#state)) {
      this.#states ??= connectionStates.map((_, i) => (i === this.#state ? this.#connections : 0));
      this.#states[index] = (this.#states[index] as number) + 1;
    }
    if (this.#connections === 0 || index > this.#state) this.#state = index;
    this.#connections++;
    this.#passed += allowed + audited;
    this.#denied += denied;
    if (firstMs < this.#firstMs) this.#firstMs = firstMs;
    if (lastMs > this.#lastMs) this.#lastMs = lastMs;
    this.#directed ||= directed;
    const key = protocol * 0x1_0000 + port;
    if (this.#ports.length < portsKept && !this.#ports.includes(key)) this.#ports.push(key);
  }

  attributes(): EdgeAttributes {
    return {
      state: connectionStates[this.#state] as ConnectionState,
      ...(this.#states && { states: stateCounts(this.#states) }),
      ports: portWords(this.#ports),
      connections: this.#connections,
      passed: this.#passed,
      denied: this.#denied,
      ...(this.#lastMs > 0 && { firstSeen: timeText(this.#firstMs), lastSeen: timeText(this.#lastMs) }),
      ...(!this.#directed && { undirected: true as const }),
    };
  }
}

function stateCounts(counts: readonly number[]): Partial<Record<ConnectionState, number>> {
  return Object.fromEntries(counts.flatMap((count, i) => (count === 0 ? [] : [[connectionStates[i], count]])));
}

/** `TCP 8080, 9090; UDP 53; ICMP` of numbers that hold protocol and port. */
function portWords(keys: number[]): string {
  const [only] = keys;
  if (keys.length === 1 && only !== undefined) return oneProtocol(only >>> 16, [only & 0xffff], false);
  const byProtocol = Map.groupBy(
    keys.sort((a, b) => a - b),
    (key) => key >>> 16,
  );
  return [...byProtocol]
    .map(([protocol, some]) =>
      oneProtocol(
        protocol,
        some.map((key) => key & 0xffff),
        keys.length >= portsKept,
      ),
    )
    .join('; ');
}

function oneProtocol(protocol: number, ports: readonly number[], open: boolean): string {
  const known = ports.filter((port) => port !== 0);
  const more = known.length - portsShown;
  const rest = more <= 0 ? '' : open ? ' and more' : ` and ${more} more`;
  const name = protocolName(protocol);
  return known.length === 0 ? name : `${name} ${known.slice(0, portsShown).join(', ')}${rest}`;
}

function timeText(ms: number): string {
  return new Date(ms).toISOString();
}
