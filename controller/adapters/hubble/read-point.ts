import type { SourcePosition } from '../../ports.ts';

/** What is known of the events of a node that were read. Times are in microseconds since 1970 by the node's clock. */
export interface ReadNode {
  readonly name: string;
  readonly firstUs: number;
  lastUs: number;
  /** Its events before this were read, or can no more be told from those that were. */
  cutoffUs: number;
  /** Those of that very time that were read. */
  cutoffKeys: readonly number[];
  /** When its latest event came, in milliseconds by our clock. */
  heardMs: number;
  /** How much later than its time its latest event came, by both clocks. */
  lateUs: number;
  /** Events read. */
  events: number;
}

interface ReadEvent {
  /** Index of the node. */
  readonly node: number;
  readonly timeUs: number;
  /** A whole number of 53 bits. */
  readonly key: number;
}

export interface ReadPoint {
  readonly heardMs: number;
  readonly nodes: readonly ReadNode[];
  /** In the order of their arrival. */
  readonly events: readonly ReadEvent[];
}

const version = 1;
const eventNumbers = 3;

/** As text: JSON, the events as base64 of three 64-bit floating point numbers each. */
export function encodeReadPoint({ heardMs, nodes, events }: ReadPoint): SourcePosition {
  const numbers = new Float64Array(events.length * eventNumbers);
  events.forEach(({ node, timeUs, key }, i) => {
    numbers[i * eventNumbers] = node;
    numbers[i * eventNumbers + 1] = timeUs;
    numbers[i * eventNumbers + 2] = key;
  });
  return JSON.stringify({
    version,
    heardMs,
    nodes: nodes.map(({ name, firstUs, lastUs, cutoffUs, cutoffKeys, heardMs: nodeMs, lateUs, events: read }) => [
      name,
      firstUs,
      lastUs,
      cutoffUs,
      cutoffKeys,
      nodeMs,
      lateUs,
      read,
    ]),
    events: Buffer.from(numbers.buffer).toString('base64'),
  });
}

/** Throws SyntaxError for text that is none. */
export function decodeReadPoint(position: SourcePosition): ReadPoint {
  const value = JSON.parse(position) as { version?: unknown; heardMs?: unknown; nodes?: unknown; events?: unknown };
  if (value.version !== version || !Array.isArray(value.nodes) || typeof value.events !== 'string') {
    throw new SyntaxError('not a position in a stream of Hubble');
  }
  const nodes = (value.nodes as [string, number, number, number, number[], number, number, number][]).map(
    ([name, firstUs, lastUs, cutoffUs, cutoffKeys, heardMs, lateUs, events]): ReadNode => {
      return { name, firstUs, lastUs, cutoffUs, cutoffKeys, heardMs, lateUs, events };
    },
  );
  const bytes = Buffer.from(value.events, 'base64');
  const numbers = new Float64Array(Math.floor(bytes.length / 8));
  for (let i = 0; i < numbers.length; i++) numbers[i] = bytes.readDoubleLE(i * 8);
  const events: ReadEvent[] = [];
  for (let i = 0; i + eventNumbers <= numbers.length; i += eventNumbers) {
    const [node = 0, timeUs = 0, key = 0] = numbers.subarray(i, i + eventNumbers);
    events.push({ node, timeUs, key });
  }
  return { heardMs: Number(value.heardMs), nodes, events };
}
