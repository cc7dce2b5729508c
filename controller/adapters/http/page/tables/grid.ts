import { el } from '../dom.ts';
import { VirtualRows } from './virtual-rows.ts';

export interface GridColumn<Item> {
  readonly title: string;
  /** Share of the width, as CSS has it in a grid: `1fr`, `80px`. */
  readonly width: string;
  readonly isNumber?: boolean;
  readonly cell: (item: Item) => Node | string;
  /** By what a click on the title sorts; absent: it does not. */
  readonly sortBy?: (item: Item) => string | number;
}

export interface GridSource<Item> {
  /** What the table is, for who does not see it. */
  readonly label: string;
  readonly columns: readonly GridColumn<Item>[];
  readonly key: (item: Item) => string;
  readonly pick: (item: Item) => void;
  /** What is said in place of rows where there are none. */
  readonly none: string;
}

const rowHeight = 30;

/** A table of any length: only what is in view is in the document, and all of it can be reached by keys. */
export class Grid<Item> {
  /** The table, and what is said where it is empty. */
  readonly frame: HTMLElement;
  readonly #element: HTMLElement;
  readonly #rows: VirtualRows<Item>;
  readonly #columns: readonly GridColumn<Item>[];
  readonly #head: HTMLElement;
  readonly #none: HTMLElement;
  #items: readonly Item[] = [];
  #sorted: { readonly column: number; readonly down: boolean } | undefined;

  constructor({ label, columns, key, pick, none }: GridSource<Item>) {
    this.#columns = columns;
    this.#head = el('div', { role: 'row', class: 'grid-row grid-head', 'aria-rowindex': 1 });
    const body = el('div', { role: 'rowgroup', class: 'grid-body' });
    this.#none = el('p', { class: 'grid-note', hidden: true }, none);
    const scroller = el('div', { class: 'grid-scroll' }, body);
    const heads = el('div', { role: 'rowgroup', class: 'grid-heads' }, this.#head);
    this.#element = el(
      'div',
      { role: 'grid', class: 'grid', 'aria-label': label, 'aria-colcount': columns.length },
      heads,
      scroller,
    );
    this.frame = el('div', { class: 'grid-frame' }, this.#element, this.#none);
    // the heads stand above their columns also where a scrollbar takes space from them
    new ResizeObserver(() => {
      heads.style.paddingRight = `${scroller.offsetWidth - scroller.clientWidth}px`;
    }).observe(scroller);
    this.#drawHead();
    this.#rows = new VirtualRows<Item>(scroller, body, {
      key,
      pick,
      height: rowHeight,
      render: (item, index) => this.#row(item, index),
    });
  }

  set(items: readonly Item[]): void {
    this.#items = items;
    this.#none.hidden = items.length > 0;
    this.#element.setAttribute('aria-rowcount', `${items.length + 1}`);
    this.#rows.set(this.#inOrder());
  }

  select(key: string | undefined): void {
    this.#rows.select(key);
  }

  #inOrder(): readonly Item[] {
    const by = this.#sorted && this.#columns[this.#sorted.column]?.sortBy;
    if (by === undefined) return this.#items;
    const sign = this.#sorted?.down === true ? -1 : 1;
    return [...this.#items].sort((a, b) => {
      const [x, y] = [by(a), by(b)];
      return x < y ? -sign : x > y ? sign : 0;
    });
  }

  #row(item: Item, index: number): HTMLElement {
    const row = el('div', { role: 'row', class: 'grid-row', 'aria-rowindex': index + 2 });
    row.style.gridTemplateColumns = this.#template();
    for (const { cell, isNumber } of this.#columns) {
      row.append(el('div', { role: 'gridcell', class: isNumber === true ? 'number' : undefined }, cell(item)));
    }
    return row;
  }

  #drawHead(): void {
    this.#head.style.gridTemplateColumns = this.#template();
    const heads = this.#columns.map(({ title, isNumber, sortBy }, column) => {
      const isSorted = this.#sorted?.column === column;
      const direction = isSorted ? (this.#sorted?.down === true ? 'descending' : 'ascending') : undefined;
      const content =
        sortBy === undefined
          ? title
          : el(
              'button',
              { type: 'button', class: 'sort', onclick: () => this.#sort(column) },
              title,
              el(
                'span',
                { 'aria-hidden': 'true' },
                direction === undefined ? '' : direction === 'ascending' ? ' ▲' : ' ▼',
              ),
            );
      const attributes = {
        role: 'columnheader',
        class: isNumber === true ? 'number' : undefined,
        'aria-sort': direction,
      };
      return el('div', attributes, content);
    });
    this.#head.replaceChildren(...heads);
  }

  #sort(column: number): void {
    this.#sorted = { column, down: this.#sorted?.column === column && !this.#sorted.down };
    this.#drawHead();
    this.#head
      .querySelectorAll('button')
      [this.#columns.slice(0, column).filter(({ sortBy }) => sortBy).length]?.focus();
    this.#rows.set(this.#inOrder());
  }

  #template(): string {
    return this.#columns.map(({ width }) => width).join(' ');
  }
}
