import type { AuditRecord, Clock, Notifier } from '../../ports.ts';
import { cloudEvent } from './cloud-events.ts';
import { signatureOf } from './signature.ts';

export interface WebhookOptions {
  /** http or https; it may hold a secret, so that messages name only its origin. */
  readonly url: string;
  /** Shared with the receiver, who knows by it that we sent the event. */
  readonly secret: string;
  /** `source` of the events. */
  readonly source: string;
  readonly clock: Clock;
  /** In [0, 1): spreads the retries of many controllers. */
  readonly random: () => number;
  /** Told in a sentence when deliveries begin to fail, and of each event that is given up. */
  readonly report: (message: string) => void;
  /** With more than this waiting, the oldest is given up. @default 1000 */
  readonly mostWaiting?: number;
  /** For one delivery. @default 10000 */
  readonly timeoutMs?: number;
  /** After the first failure; doubled with each that follows. @default 1000 */
  readonly firstPauseMs?: number;
}

/** What became of the events so far. */
export interface DeliveryCounts {
  readonly delivered: number;
  /** Answered with a status that no repetition changes. */
  readonly refused: number;
  /** Given up: too many were waiting, or the time for closing was over. */
  readonly dropped: number;
  readonly waiting: number;
}

const longestPauseMs = 5 * 60_000;
const longestAskedPauseMs = 60 * 60_000;
/** As fetch says it: the server asks for patience, or may be better the next time. */
const passingStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

type Outcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs: number };

/** Posts each record as a signed CloudEvent, one after the other in their order; what fails is tried again until it is too old. */
export class WebhookNotifier implements Notifier {
  readonly #options: WebhookOptions;
  readonly #origin: string;
  readonly #waiting: AuditRecord[] = [];
  readonly #stop = new AbortController();
  #pause = new AbortController();
  #running: Promise<void> | undefined;
  #sending = false;
  #closed = false;
  #failures = 0;
  #delivered = 0;
  #refused = 0;
  #dropped = 0;

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.#origin = new URL(options.url).origin;
  }

  get counts(): DeliveryCounts {
    const waiting = this.#waiting.length;
    return { delivered: this.#delivered, refused: this.#refused, dropped: this.#dropped, waiting };
  }

  notify(record: AuditRecord): void {
    if (this.#closed) {
      this.#dropped++;
      return;
    }
    this.#waiting.push(record);
    if (this.#waiting.length > (this.#options.mostWaiting ?? 1000)) {
      // the one that is on its way may arrive
      this.#waiting.splice(this.#sending ? 1 : 0, 1);
      this.#giveUp(1, 'too many are waiting');
    }
    this.#running ??= this.#deliver();
  }

  /** `deadlineMs`: a moment of the clock, in milliseconds since 1970. */
  async close(deadlineMs: number): Promise<void> {
    this.#closed = true;
    this.#pause.abort();
    if (this.#running === undefined) return;
    const { clock } = this.#options;
    const delivered = new AbortController();
    const deadline = clock
      .sleep(Math.max(0, deadlineMs - clock.now()), delivered.signal)
      .then(() => this.#stop.abort())
      .catch((error: unknown) => {
        if (!delivered.signal.aborted) throw error;
      });
    await this.#running;
    delivered.abort();
    await deadline;
  }

  async #deliver(): Promise<void> {
    for (let record = this.#waiting[0]; record !== undefined; record = this.#waiting[0]) {
      this.#sending = true;
      const outcome = await this.#send(record);
      this.#sending = false;
      if (this.#stop.signal.aborted && outcome.kind === 'failed') break;
      if (outcome.kind === 'failed') {
        await this.#afterFailure(outcome.reason, outcome.retryAfterMs);
        if (this.#stop.signal.aborted) break;
        continue;
      }
      this.#waiting.shift();
      this.#failures = 0;
      if (outcome.kind === 'delivered') this.#delivered++;
      else {
        this.#refused++;
        this.#options.report(`${this.#origin} refused an event (${outcome.reason}); it is not sent again`);
      }
    }
    this.#running = undefined;
    const left = this.#waiting.splice(0).length;
    if (left > 0) this.#giveUp(left, 'the time for the last deliveries was over');
  }

  #giveUp(count: number, reason: string): void {
    this.#dropped += count;
    this.#options.report(`${count} notification${count === 1 ? '' : 's'} for ${this.#origin} given up: ${reason}`);
  }

  async #send(record: AuditRecord): Promise<Outcome> {
    const { url, secret, source, clock, timeoutMs = 10_000 } = this.#options;
    const body = JSON.stringify(cloudEvent(record, source));
    const headers = {
      'content-type': 'application/cloudevents+json; charset=utf-8',
      'x-nanoseg-signature': signatureOf(body, secret, clock.now()),
    };
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(timeoutMs)]);
    try {
      // a redirect could lead anywhere
      const response = await fetch(url, { method: 'POST', headers, body, signal, redirect: 'manual' });
      await response.body?.cancel();
      if (response.ok) return { kind: 'delivered' };
      const reason = `status ${response.status}`;
      if (response.status < 500 && !passingStatuses.has(response.status)) return { kind: 'refused', reason };
      return { kind: 'failed', reason, retryAfterMs: this.#askedPause(response.headers.get('retry-after')) };
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      const cause = error.cause instanceof Error ? error.cause.message : error.message;
      return { kind: 'failed', reason: cause, retryAfterMs: 0 };
    }
  }

  async #afterFailure(reason: string, retryAfterMs: number): Promise<void> {
    const { clock, random, report, firstPauseMs = 1000 } = this.#options;
    if (this.#failures++ === 0) report(`notifications cannot be delivered to ${this.#origin}: ${reason}`);
    const backedOff = Math.min(firstPauseMs * 2 ** Math.min(this.#failures - 1, 30), longestPauseMs);
    this.#pause = new AbortController();
    // closing leaves no time for long pauses
    const pauseMs = this.#closed ? firstPauseMs : Math.max(retryAfterMs, backedOff * (0.5 + random() / 2));
    const signal = AbortSignal.any([this.#stop.signal, this.#pause.signal]);
    try {
      await clock.sleep(pauseMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Seconds or a date, as HTTP has it; 0 where there is none. */
  #askedPause(header: string | null): number {
    if (header === null) return 0;
    const asked = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - this.#options.clock.now();
    return Number.isNaN(asked) ? 0 : Math.min(Math.max(asked, 0), longestAskedPauseMs);
  }
}
