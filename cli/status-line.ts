import type { Terminal } from './terminal.ts';

const everyMs = 200;

/** A line at the bottom of standard error that says how things stand, redrawn, with other lines above it; only messages where that is no terminal. */
export class StatusLine {
  readonly #terminal: Pick<Terminal, 'err' | 'interactive' | 'columns'>;
  #text = '';
  #drawnMs = 0;

  constructor(terminal: Pick<Terminal, 'err' | 'interactive' | 'columns'>) {
    this.#terminal = terminal;
  }

  show(text: string, nowMs = performance.now()): void {
    if (!this.#terminal.interactive || text === this.#text || nowMs - this.#drawnMs < everyMs) return;
    this.#drawnMs = nowMs;
    this.#text = text;
    this.#draw();
  }

  /** A line that stays. */
  say(text: string): void {
    const shown = this.#text;
    this.clear();
    this.#terminal.err(`${text}\n`);
    this.#text = shown;
    this.#draw();
  }

  clear(): void {
    if (this.#text !== '') this.#terminal.err('\r\u001b[K');
    this.#text = '';
  }

  #draw(): void {
    if (this.#text !== '') this.#terminal.err(`\r\u001b[K${this.#text.slice(0, this.#terminal.columns - 1)}`);
  }
}
