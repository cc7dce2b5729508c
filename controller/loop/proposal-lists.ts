import type { ListedItem, PolicyProposal } from '../model/policy-proposal.ts';
import { readPolicyText } from './policy-text.ts';
import type { Clock, ClusterView } from '../ports.ts';
import type { ProposalStudy } from './proposal-study.ts';
import type { ProposalListName } from '../view/proposal-shape.ts';

export interface ListParts {
  readonly view: ClusterView;
  readonly clock: Clock;
  /** A look that is not older than this; undefined: nothing was seen yet. */
  readonly lookedWithin: (mostMs: number) => ProposalStudy | undefined;
}

/** A look of this age is good enough for people. */
const lookMs = 10_000;
const tickMs = 1_000;
/** After reading one list, so many times as long as that took passes before the next one. */
const pace = 10;

/** The lists of proposals as long as they are: a status keeps the beginning of each. */
export class ProposalLists {
  readonly #parts: ListParts;
  /** Held-back connections of those proposals whose status has only some of them, by key. */
  readonly #heldBack = new Map<string, Known>();
  #revision = 0;
  /** What was asked of the latest look: a page of a list is followed by the next one. */
  #asked: { readonly of: ProposalStudy; readonly lists: Map<string, readonly ListedItem[]> } | undefined;

  constructor(parts: ListParts) {
    this.#parts = parts;
  }

  /** Another number whenever `heldBack` may answer otherwise for the same proposal. */
  get revision(): number {
    return this.#revision;
  }

  /** All that is held back, as far as it was read already; else what the status has of it. */
  heldBack(proposal: PolicyProposal): readonly ListedItem[] {
    return this.#heldBack.get(keyOf(proposal))?.items ?? proposal.status?.heldBack.items ?? [];
  }

  /** The whole list, ascending by connection, as it is at this moment; undefined: nothing was seen yet. */
  of(proposal: PolicyProposal, list: ProposalListName): readonly ListedItem[] | undefined {
    const { status } = proposal;
    if (status === undefined) return [];
    const kept =
      list === 'would-deny' ? status.proof.wouldDeny : list === 'held-back' ? status.heldBack : status.omissions;
    if (kept.count === kept.items.length) return ascending(kept.items);
    const study = this.#parts.lookedWithin(lookMs);
    if (study === undefined) return undefined;
    if (this.#asked?.of !== study) this.#asked = { of: study, lists: new Map() };
    const name = `${keyOf(proposal)} ${list} ${status.digest}`;
    const known = this.#asked.lists.get(name);
    if (known !== undefined) return known;
    const items = ascending(read(proposal, list, study) ?? kept.items);
    this.#asked.lists.set(name, items);
    return items;
  }

  /** Reads what is held back beyond what statuses have, one proposal after the other, until aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      const startMs = clock.now();
      const found = this.#readNext();
      const tookMs = clock.now() - startMs;
      await clock.sleep(found ? tookMs * pace : tickMs, signal).catch(() => undefined);
    }
  }

  /** False: there is nothing to read. */
  #readNext(): boolean {
    const { view, lookedWithin } = this.#parts;
    const cut = new Map(
      view
        .proposals()
        .filter(isCut)
        .map((proposal) => [keyOf(proposal), proposal]),
    );
    for (const key of [...this.#heldBack.keys()].filter((each) => !cut.has(each))) {
      this.#heldBack.delete(key);
      this.#revision++;
    }
    for (const [key, proposal] of cut) {
      const known = this.#heldBack.get(key);
      if (known?.of === proposal) continue;
      const study = lookedWithin(lookMs);
      if (study === undefined) return false;
      const items = read(proposal, 'held-back', study) ?? proposal.status?.heldBack.items ?? [];
      this.#heldBack.set(key, { of: proposal, items });
      if (known === undefined || !isSame(known.items, items)) this.#revision++;
      return true;
    }
    return false;
  }
}

interface Known {
  readonly of: PolicyProposal;
  readonly items: readonly ListedItem[];
}

/** Undefined: nanoseg would propose nothing at this moment, so that the status is all there is. */
function read(
  proposal: PolicyProposal,
  list: ProposalListName,
  study: ProposalStudy,
): readonly ListedItem[] | undefined {
  if (list === 'would-deny') {
    const { policies } = readPolicyText(proposal.spec.policies);
    return policies && study.prove(proposal, policies).wouldDeny;
  }
  const making = study.make(keyOf(proposal), proposal);
  if (making.kind === 'none') return undefined;
  const { heldBack, omissions } = making.made.whole;
  return list === 'held-back' ? heldBack : omissions;
}

function isCut({ status }: PolicyProposal): boolean {
  return status !== undefined && status.state !== 'Superseded' && status.heldBack.count > status.heldBack.items.length;
}

function isSame(a: readonly ListedItem[], b: readonly ListedItem[]): boolean {
  return a.length === b.length && a.every(({ connection }, i) => connection === b[i]?.connection);
}

/** As pages of it go on after the last one that was shown. */
function ascending(items: readonly ListedItem[]): readonly ListedItem[] {
  return [...items].sort((a, b) => (a.connection < b.connection ? -1 : a.connection > b.connection ? 1 : 0));
}

function keyOf({ metadata }: PolicyProposal): string {
  return `${metadata.namespace}/${metadata.name}`;
}
