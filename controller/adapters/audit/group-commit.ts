/** Writes in one go what comes while a write is under way, so that many callers share the price of one. */
export class GroupCommit<Item> {
  readonly #write: (items: readonly Item[]) => Promise<void>;
  #waiting: Item[] = [];
  #next: Promise<void> | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(write: (items: readonly Item[]) => Promise<void>) {
    this.#write = write;
  }

  /** Resolves when the item is written; rejects as its write does. */
  add(item: Item): Promise<void> {
    this.#waiting.push(item);
    if (this.#next === undefined) {
      const before = this.#last.catch(() => undefined);
      this.#next = before.then(async () => {
        const items = this.#waiting;
        this.#waiting = [];
        this.#next = undefined;
        await this.#write(items);
      });
      this.#last = this.#next;
    }
    return this.#next;
  }
}
