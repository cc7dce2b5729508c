import type { Terminal } from './terminal.ts';

/** How far a long step is; `total` undefined: not known. */
export interface Step {
  readonly label: string;
  readonly done: number;
  readonly total: number | undefined;
  /** What has been worked through, for the rate: `flows`, `workloads`. */
  readonly items: number;
  readonly unit: string;
}

const firstAfterMs = 1_000;
const everyMs = 100;
const barWidth = 24;

/**
 * One line on standard error, redrawn, for steps that take over a second; nothing at all when that is no terminal.
 * `nowMs` is the clock, so that tests may bring their own.
 */
export class ProgressBar {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #label = '';
  #startMs = 0;
  #drawnMs = 0;
  #drawn = false;

  constructor(terminal: Terminal, now: () => number = () => performance.now()) {
    this.#terminal = terminal;
    this.#now = now;
  }

  update(step: Step): void {
    if (!this.#terminal.interactive) return;
    const now = this.#now();
    if (step.label !== this.#label) {
      this.clear();
      this.#label = step.label;
      this.#startMs = now;
    }
    const elapsedMs = now - this.#startMs;
    if (elapsedMs < firstAfterMs || now - this.#drawnMs < everyMs) return;
    this.#drawnMs = now;
    this.#drawn = true;
    this.#terminal.err(`\r\u001b[K${progressLine(step, elapsedMs).slice(0, this.#terminal.columns - 1)}`);
  }

  /** Takes the line away; what is printed next starts in its place. */
  clear(): void {
    if (this.#drawn) this.#terminal.err('\r\u001b[K');
    this.#drawn = false;
    this.#label = '';
  }
}

/** `reading flows  42% [##########--------------]  310k flows/s  ETA 0:12`. */
export function progressLine({ label, done, total, items, unit }: Step, elapsedMs: number): string {
  const rate = `${shortCount((items * 1_000) / Math.max(1, elapsedMs))} ${unit}/s`;
  if (total === undefined || total === 0) return `${label}  ${shortCount(items)} ${unit}  ${rate}`;
  const share = Math.min(1, done / total);
  const filled = Math.round(share * barWidth);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]`;
  const leftMs = share > 0 ? (elapsedMs / share) * (1 - share) : undefined;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `${label} ${percent} ${bar}  ${rate}${leftMs === undefined ? '' : `  ETA ${clock(leftMs)}`}`;
}

function shortCount(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  return value >= 1e4 ? `${Math.round(value / 1e3)}k` : `${Math.round(value)}`;
}

function clock(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${`${seconds % 60}`.padStart(2, '0')}`;
}
