import type { ConnectionView } from '../../../../view/graph-shape.ts';
import { type ApiClient, failureOf } from '../client/api-client.ts';
import { el, fill } from '../dom.ts';
import { stateLooks } from '../drawing/state-looks.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState } from '../page-state.ts';
import { printable } from '../printable.ts';
import { stateMark } from '../state-mark.ts';
import { counted } from '../time-words.ts';
import { pairList } from './pair-list.ts';
import { section } from './section.ts';

const listed = 100;

/** The connections of a pair with their evidence in words. */
export class PairDetail {
  readonly element = el('div', { class: 'pair-detail' });
  readonly #api: ApiClient;
  readonly #state: PageState;
  readonly #control: PageControl;
  #request = new AbortController();
  #shown = '';

  constructor(api: ApiClient, state: PageState, control: PageControl) {
    this.#api = api;
    this.#state = state;
    this.#control = control;
  }

  /** Keys of nodes as they are drawn. */
  show(source: string, target: string): void {
    const isNew = this.#shown !== `${source} ${target}`;
    this.#shown = `${source} ${target}`;
    this.#request.abort();
    const edge = this.#control.told.edge(source, target);
    if (edge === undefined) return this.#showPairs(source, target);
    if (edge.attributes.state === 'over-grant' && edge.attributes.passed + edge.attributes.denied === 0) {
      const words = `${stateLooks['over-grant'].meaning}: ${edge.attributes.ports}`;
      return fill(this.element, this.#head(source, target), el('p', { class: 'panel-note' }, printable(words)));
    }
    if (isNew)
      fill(this.element, this.#head(source, target), el('p', { class: 'panel-note' }, 'Reading the evidence…'));
    void this.#load(source, target, isNew);
  }

  async #load(source: string, target: string, isNew: boolean): Promise<void> {
    this.#request = new AbortController();
    const { signal } = this.#request;
    try {
      const { filter } = this.#state.now;
      const { items, total } = await this.#api.connections(
        { source, target },
        filter,
        this.#control.scope,
        listed,
        signal,
      );
      if (signal.aborted) return;
      const more = total - items.length;
      fill(
        this.element,
        this.#head(source, target),
        items.length === 0 && el('p', { class: 'panel-note' }, 'No connection of this pair fits the filters.'),
        el('ul', { class: 'connections' }, ...items.map(connectionItem)),
        more > 0 &&
          el('p', { class: 'panel-note' }, `and ${counted(more, 'more connection')}: nanoseg graph lists them all`),
      );
    } catch (error) {
      if (signal.aborted) return;
      const failure = failureOf(error);
      // what is read stays while it cannot be read anew
      if (failure.isPassing && !isNew) return;
      fill(
        this.element,
        this.#head(source, target),
        el('p', { class: 'panel-note', role: 'alert' }, printable(failure.message)),
      );
    }
  }

  /** Of a group that is closed: the pairs that its line stands for. */
  #showPairs(source: string, target: string): void {
    const shown = (key: string) => this.#state.now.displayed?.standsFor.get(key) ?? key;
    const pairs = [...this.#control.told.edges].filter(
      (edge) => shown(edge.source) === source && shown(edge.target) === target,
    );
    fill(
      this.element,
      this.#head(source, target),
      pairs.length === 0 && el('p', { class: 'panel-note' }, 'No connection of this pair fits the filters.'),
      section(
        `${counted(pairs.length, 'pair')}`,
        pairs.length > 0 && pairList(pairs, (key) => this.#nameOf(key), this.#control),
      ),
    );
  }

  #head(source: string, target: string): HTMLElement {
    const end = (key: string) =>
      el('button', { type: 'button', class: 'end', onclick: () => this.#select(key) }, printable(this.#nameOf(key)));
    return el(
      'div',
      { class: 'ends' },
      end(source),
      el('span', { class: 'quiet', 'aria-label': 'to' }, '→'),
      end(target),
    );
  }

  #select(key: string): void {
    const isGroup = this.#control.told.node(key) === undefined || key.startsWith('namespace:');
    this.#control.select(isGroup ? { kind: 'group', key } : { kind: 'node', key });
  }

  #nameOf(key: string): string {
    const { attributes } = this.#control.told.node(key) ?? {};
    if (attributes === undefined) return this.#state.now.displayed?.groups.get(key)?.label ?? key.replace(/^\w+:/, '');
    const { namespace, label, kind } = attributes;
    return namespace === '' || kind === 'namespace' ? label : `${namespace}/${label}`;
  }
}

function connectionItem({ words, state, because, evidence }: ConnectionView): HTMLElement {
  return el(
    'li',
    {},
    el('div', { class: 'connection-head' }, el('span', { class: 'strong' }, printable(words)), stateMark(state)),
    el('p', {}, printable(because)),
    el('ul', { class: 'words' }, ...evidence.map((line) => el('li', {}, printable(line)))),
  );
}
