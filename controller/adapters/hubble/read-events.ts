import type { SourcePosition } from '../../ports.ts';
import { decodeReadPoint, encodeReadPoint, type ReadNode } from './read-point.ts';
import type { EventMark } from './hubble-message.ts';

/** Events that are remembered, so that they are known when they are sent again; the newest. */
const remembered = 1024;
/** Events of a node come in this order, but for so much. */
const overlapUs = 5_000_000;
/** A node that was not heard for so long does not hold back where reading goes on. */
const forgottenAfterMs = 600_000;
const mostNodes = 4096;
/** Events of a node in one microsecond; of more some may be read twice, and none is missed. */
const mostAtOnce = 64;

interface Node extends ReadNode {
  /** What is waited for since the last resumption; undefined: it is past what was read before. */
  replay: Replay | undefined;
}

interface Replay {
  /** Events that were read and may come again. */
  readonly keys: ReadonlySet<number>;
  /** Some of them must come before anything new, if the server still has them. */
  readonly isExpected: boolean;
  readonly lastUs: number;
  readonly cutoffUs: number;
  isContinuous: boolean;
}

/** `repeated`: it was read before. `gap`: it is new, and so many before it were lost (estimated by the node's pace). */
export type Judgement = 'new' | 'repeated' | { readonly lost: number };

/**
 * What was read of a stream of events of many nodes, in bounded memory: enough to ask for the rest after a break, and to
 * know what comes twice then. Each node has its own clock, and its events come in its clock's order, nearly.
 */
export class ReadEvents {
  readonly #nodes = new Map<string, Node>();
  readonly #times = new Float64Array(remembered);
  readonly #keys = new Float64Array(remembered);
  readonly #owners: (Node | undefined)[] = Array.from({ length: remembered });
  #first = 0;
  #count = 0;
  #heardMs = 0;
  #replaying = 0;
  #holdMs = Number.POSITIVE_INFINITY;
  #resumedMs = 0;

  /** Throws SyntaxError for a position that is none. */
  constructor(position?: SourcePosition) {
    if (position === undefined) return;
    const { heardMs, nodes, events } = decodeReadPoint(position);
    this.#heardMs = heardMs;
    for (const node of nodes) this.#nodes.set(node.name, { ...node, replay: undefined });
    for (const { node, timeUs, key } of events) {
      const owner = this.#nodes.get(nodes[node]?.name ?? '');
      if (owner !== undefined) this.#remember(owner, timeUs, key);
    }
  }

  /** From where on events must be asked for; undefined when nothing was read yet. */
  get sinceUs(): number | undefined {
    const lately = [...this.#nodes.values()].filter(({ heardMs }) => this.#heardMs - heardMs <= forgottenAfterMs);
    if (lately.length === 0) return undefined;
    // a node whose clock is behind, or whose events come late, must not miss any
    const latestUs = lately.reduce((most, { lateUs }) => Math.max(most, lateUs), Number.NEGATIVE_INFINITY);
    return Math.max(0, this.#heardMs * 1000 - latestUs - overlapUs);
  }

  /** The stream begins again at `sinceUs`, on a server that remembers events for about `holdMs`. */
  resume(sinceUs: number, holdMs: number, nowMs: number): void {
    this.#holdMs = holdMs;
    this.#resumedMs = nowMs;
    const keys = new Map<Node, Set<number>>();
    const expected = new Set<Node>();
    for (let i = 0; i < this.#count; i++) {
      const slot = (this.#first + i) % remembered;
      const owner = this.#owners[slot] as Node;
      const known = keys.get(owner) ?? new Set(owner.cutoffKeys);
      keys.set(owner, known.add(this.#keys[slot] as number));
      if ((this.#times[slot] as number) >= sinceUs) expected.add(owner);
    }
    this.#replaying = 0;
    for (const node of this.#nodes.values()) {
      this.#replaying++;
      node.replay = {
        keys: keys.get(node) ?? new Set(node.cutoffKeys),
        isExpected: expected.has(node),
        lastUs: node.lastUs,
        cutoffUs: node.cutoffUs,
        isContinuous: false,
      };
    }
  }

  /** Takes note of an event of a node that has come. */
  take(name: string, { timeUs, key }: EventMark, nowMs: number): Judgement {
    const node = this.#node(name, timeUs, nowMs);
    const judgement = this.#replaying === 0 ? 'new' : this.#judge(node, timeUs, key);
    if (judgement === 'repeated') return judgement;
    node.heardMs = nowMs;
    node.lateUs = nowMs * 1000 - timeUs;
    node.events++;
    if (timeUs > node.lastUs) node.lastUs = timeUs;
    this.#heardMs = nowMs;
    this.#remember(node, timeUs, key);
    return judgement;
  }

  /** Where reading goes on after all that was taken; undefined when that is nothing. */
  get position(): SourcePosition | undefined {
    if (this.#nodes.size === 0) return undefined;
    const indexes = new Map<Node, number>();
    const nodes: ReadNode[] = [];
    for (const node of this.#nodes.values()) {
      if (this.#heardMs - node.heardMs > forgottenAfterMs) continue;
      indexes.set(node, nodes.length);
      nodes.push(node);
    }
    const events = [];
    for (let i = 0; i < this.#count; i++) {
      const slot = (this.#first + i) % remembered;
      const index = indexes.get(this.#owners[slot] as Node);
      if (index === undefined) continue;
      events.push({ node: index, timeUs: this.#times[slot] as number, key: this.#keys[slot] as number });
    }
    return encodeReadPoint({ heardMs: this.#heardMs, nodes, events });
  }

  #judge(node: Node, timeUs: number, key: number): Judgement {
    const { replay } = node;
    if (replay === undefined) return 'new';
    if (replay.keys.has(key)) {
      replay.isContinuous = true;
      return 'repeated';
    }
    if (timeUs < replay.cutoffUs) return 'repeated';
    if (timeUs > replay.lastUs + overlapUs || !replay.isExpected) {
      node.replay = undefined;
      this.#replaying--;
    }
    if (replay.isContinuous) return 'new';
    replay.isContinuous = true;
    const breakMs = this.#resumedMs - this.#heardMs;
    if (!replay.isExpected && breakMs <= this.#holdMs) return 'new';
    const perUs = node.events / Math.max(1e6, node.lastUs - node.firstUs);
    return { lost: Math.max(1, Math.round(perUs * Math.max(0, timeUs - replay.lastUs))) };
  }

  #node(name: string, timeUs: number, nowMs: number): Node {
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    if (this.#nodes.size >= mostNodes) this.#forgetOldest();
    const node: Node = {
      name,
      firstUs: timeUs,
      lastUs: timeUs,
      cutoffUs: 0,
      cutoffKeys: [],
      heardMs: nowMs,
      lateUs: 0,
      events: 0,
      replay: undefined,
    };
    this.#nodes.set(name, node);
    return node;
  }

  #forgetOldest(): void {
    const [first] = this.#nodes.values();
    let oldest = first as Node;
    for (const node of this.#nodes.values()) if (node.heardMs < oldest.heardMs) oldest = node;
    if (oldest.replay !== undefined) this.#replaying--;
    this.#nodes.delete(oldest.name);
  }

  #remember(node: Node, timeUs: number, key: number): void {
    while (this.#count > 0) {
      const slot = this.#first;
      const owner = this.#owners[slot] as Node;
      const oldUs = this.#times[slot] as number;
      if (this.#count < remembered && oldUs >= owner.lastUs - overlapUs) break;
      this.#forget(owner, oldUs, this.#keys[slot] as number);
      this.#first = (slot + 1) % remembered;
      this.#count--;
    }
    const slot = (this.#first + this.#count) % remembered;
    this.#times[slot] = timeUs;
    this.#keys[slot] = key;
    this.#owners[slot] = node;
    this.#count++;
  }

  #forget(node: Node, timeUs: number, key: number): void {
    if (timeUs > node.cutoffUs) {
      node.cutoffUs = timeUs;
      node.cutoffKeys = [key];
    } else if (timeUs === node.cutoffUs && node.cutoffKeys.length < mostAtOnce) {
      node.cutoffKeys = [...node.cutoffKeys, key];
    }
  }
}
