import { createHash } from 'node:crypto';
import type { DeviationEntry, ServerEvents } from '../../../view/api-shape.ts';
import type { ProposalSummary } from '../../../view/proposal-shape.ts';
import type { GraphChange } from '../../../view/api-shape.ts';
import type { Sight } from './gate.ts';

/** What happened, before it is known who will hear of it. */
export type Happening =
  /** By the numbers of the connections that changed. */
  | { readonly kind: 'graph'; readonly rows: readonly number[] | 'many' }
  | { readonly kind: 'proposal'; readonly proposal: ProposalSummary }
  | { readonly kind: 'proposal-gone'; readonly namespace: string; readonly name: string }
  | { readonly kind: 'deviation'; readonly deviation: DeviationEntry }
  /** Without namespaces: all of them. */
  | { readonly kind: 'cluster'; readonly namespaces: readonly string[] };

interface Kept {
  readonly sequence: number;
  readonly happening: Happening;
  /** By what one may see; one text for all who may see the same. Undefined: nothing that they may hear of. */
  readonly texts: Map<string, Buffer | undefined>;
}

/** Events that can be told again. */
const mostKept = 1_000;
/** Texts are kept of so many, for those who are a little late. */
const mostTexts = 32;

/** The edges of some connections as they are now, as those who may see so much see them. */
export type ChangeFor = (rows: readonly number[] | 'many', sight: Sight) => GraphChange | undefined;

/** The latest events, numbered from the start of the process. */
export class EventRing {
  readonly #epoch: string;
  readonly #changeFor: ChangeFor;
  readonly #kept: Kept[] = [];
  #sequence = 0;

  constructor(epoch: string, changeFor: ChangeFor) {
    this.#epoch = epoch;
    this.#changeFor = changeFor;
  }

  /** Where those who may see so much are now: all that is up to here they can know. */
  position(sightKey: string, sequence: number = this.#sequence): string {
    return `${this.#epoch}${shortHash(sightKey)}-${sequence}`;
  }

  append(happening: Happening): void {
    this.#kept.push({ sequence: ++this.#sequence, happening, texts: new Map() });
    this.#kept.at(-mostTexts - 1)?.texts.clear();
    if (this.#kept.length > mostKept) this.#kept.splice(0, this.#kept.length - mostKept);
  }

  /** The number of the latest event. */
  get sequence(): number {
    return this.#sequence;
  }

  /** The number in a position; undefined when what came after it is not known any more, or not to this process. */
  resumable(position: string, sightKey: string): number | undefined {
    const start = this.position(sightKey, 0).slice(0, -1);
    const text = position.startsWith(start) ? position.slice(start.length) : '';
    const sequence = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    const oldest = this.#kept[0]?.sequence ?? this.#sequence + 1;
    return sequence <= this.#sequence && sequence >= oldest - 1 ? sequence : undefined;
  }

  /** What came after that event, as those who may see so much are told it. */
  *after(sequence: number, sight: Sight): Iterable<Buffer> {
    for (const kept of this.#after(sequence)) {
      const text = this.#textOf(kept, sight);
      if (text !== undefined) yield text;
    }
  }

  /**
   * The same for somebody who comes back: all changes of the graph first and as one, under the number that was known, so
   * that being cut off again in between loses nothing.
   */
  *again(sequence: number, sight: Sight): Iterable<Buffer> {
    const missed = this.#after(sequence);
    const rows = rowsOf(missed);
    const change = rows.length === 0 ? undefined : this.#changeFor(rows, sight);
    if (change !== undefined) yield eventText('graph', change, this.position(sight.key, sequence));
    for (const kept of missed) {
      const text = kept.happening.kind === 'graph' ? undefined : this.#textOf(kept, sight);
      if (text !== undefined) yield text;
    }
  }

  #after(sequence: number): readonly Kept[] {
    const first = this.#kept[0]?.sequence ?? 0;
    return this.#kept.slice(Math.max(0, sequence + 1 - first));
  }

  #textOf({ sequence, happening, texts }: Kept, sight: Sight): Buffer | undefined {
    if (!texts.has(sight.key)) {
      const data = happening.kind === 'graph' ? this.#changeFor(happening.rows, sight) : dataFor(happening, sight);
      const text = data && eventText(happening.kind, data, this.position(sight.key, sequence));
      texts.set(sight.key, text);
    }
    return texts.get(sight.key);
  }
}

/** One event as it goes over the wire. JSON has no line breaks of its own. */
export function eventText<Name extends keyof ServerEvents>(name: Name, data: ServerEvents[Name], id: string): Buffer {
  return Buffer.from(`event: ${name}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`);
}

function rowsOf(kept: readonly Kept[]): readonly number[] | 'many' {
  const rows = new Set<number>();
  for (const { happening } of kept) {
    if (happening.kind !== 'graph') continue;
    if (happening.rows === 'many') return 'many';
    for (const row of happening.rows) rows.add(row);
  }
  return [...rows];
}

function dataFor(
  happening: Exclude<Happening, { readonly kind: 'graph' }>,
  sight: Sight,
): ServerEvents[Exclude<Happening['kind'], 'graph'>] | undefined {
  switch (happening.kind) {
    case 'proposal':
      return sight.maySee(happening.proposal.namespace) ? happening.proposal : undefined;
    case 'proposal-gone': {
      const { namespace, name } = happening;
      return sight.maySee(namespace) ? { namespace, name } : undefined;
    }
    case 'deviation':
      return sight.maySee(happening.deviation.namespace) ? happening.deviation : undefined;
    case 'cluster': {
      const namespaces = happening.namespaces.filter(sight.maySee);
      return namespaces.length > 0 || happening.namespaces.length === 0 ? { namespaces } : undefined;
    }
  }
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}
