import { printable } from './printable.ts';

/** Says things to people who do not see the screen. What is said at the same moment is said together. */
export class Announcer {
  readonly #region: HTMLElement;
  #waiting: string[] = [];

  constructor(region: HTMLElement) {
    this.#region = region;
  }

  say(text: string): void {
    this.#waiting.push(printable(text));
    if (this.#waiting.length > 1) return;
    setTimeout(() => {
      const few = this.#waiting.slice(0, 3);
      const rest = this.#waiting.length - few.length;
      this.#region.textContent = `${few.join('. ')}${rest > 0 ? `, and ${rest} more` : ''}`;
      this.#waiting = [];
    }, 150);
  }
}
