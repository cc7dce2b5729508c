import type {
  CountedWords,
  ListedConnection,
  ProposalDetail,
  ProposalListName,
} from '../../../../view/proposal-shape.ts';
import type { Announcer } from '../announcer.ts';
import { failureOf } from '../client/api-client.ts';
import { el, fill } from '../dom.ts';
import { printable } from '../printable.ts';
import type { ProposalReading } from '../proposal-reading.ts';
import { counted } from '../time-words.ts';
import { wordList } from './section.ts';

/** What was read of a list, page by page. */
interface ReadSoFar {
  readonly items: readonly ListedConnection[];
  readonly total: number;
  /** Where the next page begins; null: that is all. */
  readonly continue: string | null;
}

/** Lists of a proposal that are too long for it: what it has of them, and the rest when somebody asks for it. */
export class WholeLists {
  readonly #reading: ProposalReading;
  readonly #announcer: Announcer;
  readonly #read = new Map<ProposalListName, ReadSoFar>();
  readonly #elements = new Map<ProposalListName, HTMLElement>();
  #about: ProposalDetail | undefined;

  constructor(reading: ProposalReading, announcer: Announcer) {
    this.#reading = reading;
    this.#announcer = announcer;
  }

  /** What was read stays while the proposal says the same. */
  about(proposal: ProposalDetail): this {
    const { namespace, name, digest } = this.#about ?? {};
    const isSame = namespace === proposal.namespace && name === proposal.name && digest === proposal.digest;
    if (!isSame) {
      this.#read.clear();
      this.#elements.clear();
    }
    this.#about = proposal;
    return this;
  }

  /** Undefined: there is nothing in it. */
  of(list: ProposalListName, words: CountedWords): HTMLElement | undefined {
    if (words.count === words.said) return wordList(list, words.items);
    // the same one when the proposal is drawn anew, which may be while a page is read
    const element = this.#elements.get(list) ?? el('div');
    this.#elements.set(list, element);
    this.#show(list, words, element);
    return element;
  }

  #show(list: ProposalListName, words: CountedWords, element: HTMLElement, failure = ''): void {
    const known = this.#read.get(list);
    const rest = known === undefined ? words.count - words.said : known.total - known.items.length;
    fill(
      element,
      known === undefined
        ? wordList(list, words.items)
        : el('ul', { class: 'words' }, ...known.items.map(({ words: what, because }) => line(`${what}: ${because}`))),
      failure !== '' && el('p', { class: 'warning', role: 'alert' }, printable(failure)),
      known?.continue !== null &&
        el(
          'button',
          {
            type: 'button',
            id: `${list}-all`,
            class: 'button',
            onclick: () => void this.#readMore(list, words, element),
          },
          known === undefined
            ? `and ${counted(rest, 'more connection')}: list them one by one`
            : `${counted(rest, 'more connection')}`,
        ),
    );
  }

  async #readMore(list: ProposalListName, words: CountedWords, element: HTMLElement): Promise<void> {
    const proposal = this.#about;
    const known = this.#read.get(list);
    if (proposal === undefined) return;
    const button = element.querySelector('button');
    button?.setAttribute('aria-disabled', 'true');
    try {
      const page = await this.#reading.list(proposal, list, known?.continue ?? undefined);
      // another proposal is read by now, or the button was pressed twice
      if (this.#elements.get(list) !== element || this.#read.get(list) !== known) return;
      const items = [...(known?.items ?? []), ...page.items];
      this.#read.set(list, { items, total: page.total, continue: page.continue });
      this.#announcer.say(`${items.length.toLocaleString('en')} of ${counted(page.total, 'connection')} listed`);
      this.#show(list, words, element);
      // the button that had the focus is gone, or is further down: reading goes on with what is new
      element.querySelectorAll<HTMLElement>('li')[known?.items.length ?? 0]?.focus();
    } catch (error) {
      if (this.#elements.get(list) !== element) return;
      this.#show(list, words, element, failureOf(error).message);
      element.querySelector('button')?.focus();
    }
  }
}

function line(text: string): HTMLElement {
  return el('li', { tabindex: -1 }, printable(text));
}
