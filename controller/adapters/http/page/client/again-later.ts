import type { ApiFailure } from './api-client.ts';

const firstDelayMs = 1_000;
const longestDelayMs = 15_000;

/** Asks again for what could not be had in passing, later each time. */
export class AgainLater {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #delayMs = firstDelayMs;

  /** Asks again, if that may help. */
  after(failure: ApiFailure, ask: () => void): void {
    this.stop();
    if (!failure.isPassing) return;
    // right after its start the controller has read nothing yet, and soon has
    const delayMs = failure.code === 'NotReady' ? firstDelayMs : this.#delayMs;
    this.#timer = setTimeout(ask, Math.max(failure.waitMs, delayMs));
    this.#delayMs = Math.min(longestDelayMs, this.#delayMs * 2);
  }

  had(): void {
    this.stop();
    this.#delayMs = firstDelayMs;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
