export interface RowSource<Item> {
  readonly key: (item: Item) => string;
  /** The element of a row; its place and what makes it reachable by keys are added. */
  readonly render: (item: Item, index: number) => HTMLElement;
  readonly pick: (item: Item) => void;
  /** Pixels; all rows are of this height. */
  readonly height: number;
}

/**
 * A long list of which only what is in view is in the document. The arrow keys, Page Up and Down, Home and End move the focus,
 * Enter picks. New items keep what is in view, and the focus, where they are.
 */
export class VirtualRows<Item> {
  readonly #scroller: HTMLElement;
  readonly #sizer: HTMLElement;
  readonly #source: RowSource<Item>;
  readonly #shown = new Map<string, HTMLElement>();
  #items: readonly Item[] = [];
  #places = new Map<string, number>();
  #current: string | undefined;
  #selected: string | undefined;

  constructor(scroller: HTMLElement, sizer: HTMLElement, source: RowSource<Item>) {
    this.#scroller = scroller;
    this.#sizer = sizer;
    this.#source = source;
    scroller.addEventListener('scroll', () => this.#render(), { passive: true });
    new ResizeObserver(() => this.#render()).observe(scroller);
    sizer.addEventListener('keydown', (event) => this.#key(event));
    sizer.addEventListener('click', ({ target }) => {
      const index = this.#indexOf(target);
      if (index !== undefined) this.#pick(index);
    });
    sizer.addEventListener('focusin', ({ target }) => {
      const index = this.#indexOf(target);
      if (index !== undefined) this.#makeCurrent(index);
    });
  }

  set(items: readonly Item[]): void {
    const { top, offset } = this.#anchor();
    this.#items = items;
    this.#places = new Map(items.map((item, i) => [this.#source.key(item), i]));
    this.#sizer.style.height = `${items.length * this.#source.height}px`;
    const now = top === undefined ? undefined : this.#places.get(top);
    if (now !== undefined) this.#scroller.scrollTop = now * this.#source.height + offset;
    const focused = [...this.#shown].find(([, row]) => row === document.activeElement)?.[0];
    for (const row of this.#shown.values()) row.remove();
    this.#shown.clear();
    this.#render();
    if (focused !== undefined) this.#shown.get(focused)?.focus({ preventScroll: true });
  }

  select(key: string | undefined): void {
    this.#selected = key;
    for (const [shown, row] of this.#shown) row.setAttribute('aria-selected', `${shown === key}`);
  }

  /** The key of the first row in view, and how much of it is out of it. */
  #anchor(): { readonly top: string | undefined; readonly offset: number } {
    const { scrollTop } = this.#scroller;
    const index = Math.floor(scrollTop / this.#source.height);
    const item = scrollTop === 0 ? undefined : this.#items[index];
    return { top: item && this.#source.key(item), offset: scrollTop - index * this.#source.height };
  }

  #render(): void {
    const { height, key, render } = this.#source;
    const { scrollTop, clientHeight } = this.#scroller;
    const first = Math.max(0, Math.floor(scrollTop / height) - 4);
    const last = Math.min(this.#items.length, Math.ceil((scrollTop + clientHeight) / height) + 4);
    const wanted = new Set<string>();
    for (let i = first; i < last; i++) wanted.add(key(this.#items[i] as Item));
    for (const [shown, row] of this.#shown) {
      // what has the focus stays, or the keys would lead nowhere
      if (wanted.has(shown) || row.contains(document.activeElement)) continue;
      row.remove();
      this.#shown.delete(shown);
    }
    const current = this.#current !== undefined && this.#places.has(this.#current) ? this.#current : undefined;
    for (let i = first; i < last; i++) {
      const item = this.#items[i] as Item;
      const id = key(item);
      let row = this.#shown.get(id);
      if (row === undefined) {
        row = render(item, i);
        row.style.height = `${height}px`;
        row.dataset['key'] = id;
        row.setAttribute('aria-selected', `${id === this.#selected}`);
        this.#shown.set(id, row);
        this.#sizer.append(row);
      }
      row.style.transform = `translateY(${i * height}px)`;
      row.tabIndex = id === current || (current === undefined && i === first) ? 0 : -1;
    }
  }

  #indexOf(target: EventTarget | null): number | undefined {
    const row = target instanceof Element ? target.closest<HTMLElement>('[data-key]') : null;
    return row === null ? undefined : this.#places.get(row.dataset['key'] ?? '');
  }

  #key(event: KeyboardEvent): void {
    const index = this.#indexOf(event.target);
    if (index === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / this.#source.height) - 1);
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: index + 1,
      ArrowUp: index - 1,
      PageDown: index + page,
      PageUp: index - page,
      Home: 0,
      End: this.#items.length - 1,
    };
    const step = steps[event.key];
    if (step !== undefined) this.#goTo(Math.min(this.#items.length - 1, Math.max(0, step)));
    else if (event.key === 'Enter' || event.key === ' ') this.#pick(index);
    else return;
    event.preventDefault();
  }

  #goTo(index: number): void {
    const { height } = this.#source;
    const { scrollTop, clientHeight } = this.#scroller;
    if (index * height < scrollTop) this.#scroller.scrollTop = index * height;
    else if ((index + 1) * height > scrollTop + clientHeight)
      this.#scroller.scrollTop = (index + 1) * height - clientHeight;
    this.#makeCurrent(index);
    this.#render();
    this.#shown.get(this.#current ?? '')?.focus({ preventScroll: true });
  }

  #makeCurrent(index: number): void {
    const item = this.#items[index];
    if (item === undefined) return;
    this.#current = this.#source.key(item);
    for (const [key, row] of this.#shown) row.tabIndex = key === this.#current ? 0 : -1;
  }

  #pick(index: number): void {
    const item = this.#items[index];
    if (item === undefined) return;
    this.#makeCurrent(index);
    this.#source.pick(item);
  }
}
