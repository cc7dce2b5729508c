import { randomUUID } from 'node:crypto';
import { problem } from '../../model/problem.ts';
import type { Clock } from '../../ports.ts';
import { type Layouts, layouts as ourLayouts, migrateLayout, readableLayouts } from './layout-migrations.ts';
import { storeKeys, type StoreKeys } from './redis-keys.ts';
import type { RedisLink } from './redis-link.ts';
import { claimScript, releaseScript, renewScript } from './redis-script.ts';
import { RedisStoreError } from './redis-store-error.ts';

export interface WriterOptions {
  readonly link: RedisLink;
  readonly name: string;
  readonly who: string;
  readonly clock: Clock;
  readonly leaseMs: number;
  /** Unique to this process. */
  readonly token: string;
  /** @default those of this nanoseg */
  readonly layouts?: Layouts;
}

const askAgainMs = 250;

/**
 * The right to write one store, for as long as this process lives. It is a lease, so that a process that died does not hold
 * it for long, and a number that grows with each claim, so that one that was only asleep is told apart and refused.
 */
export class Writer {
  readonly #options: WriterOptions;
  readonly #keys: StoreKeys;
  readonly #timer: NodeJS.Timeout;
  #id = '';
  #claim = 0;
  /** Of the last save of ours; the server's when we claimed. */
  revision = 0;
  #endpoints = 0;
  /** Who wrote right before us when we claimed first, and as the server said at the latest claim. */
  #former = '';
  #found = '';

  private constructor(options: WriterOptions) {
    this.#options = options;
    this.#keys = storeKeys(options.name);
    this.#timer = setInterval(() => void this.#renew(), options.leaseMs / 3);
    this.#timer.unref();
  }

  /** Waits for the lease of a writer that has died to end. Rejects with EvidenceInUse when it does not end. */
  static async claim(options: WriterOptions): Promise<Writer> {
    const writer = new Writer(options);
    try {
      await writer.claimAgain();
      writer.#former = writer.#found;
      return writer;
    } catch (error) {
      clearInterval(writer.#timer);
      throw error;
    }
  }

  /** Undefined: another writer has the right. */
  static async claimFree(options: WriterOptions): Promise<Writer | undefined> {
    const writer = new Writer(options);
    try {
      await writer.claimAgain(0);
      writer.#former = writer.#found;
      return writer;
    } catch (error) {
      clearInterval(writer.#timer);
      if (error instanceof RedisStoreError && error.problem.code === 'EvidenceInUse') return undefined;
      throw error;
    }
  }

  /** Of the store; another one when the server has lost it. */
  get id(): string {
    return this.#id;
  }

  get claim(): number {
    return this.#claim;
  }

  get token(): string {
    return this.#options.token;
  }

  get leaseMs(): number {
    return this.#options.leaseMs;
  }

  /** The highest number of an endpoint in what was stored when we claimed. */
  get endpoints(): number {
    return this.#endpoints;
  }

  async claimAgain(waitMs = this.#options.leaseMs + askAgainMs): Promise<void> {
    const { clock } = this.#options;
    const lastMs = clock.now() + waitMs;
    for (;;) {
      const { heldBy, found } = await this.#tryClaim();
      if (found !== undefined) {
        if (found === `${this.#layouts.current}`) return;
        await migrateLayout(this.#layouts, found, { link: this.#options.link, keys: this.#keys, token: this.token });
        continue;
      }
      if (clock.now() >= lastMs) {
        const message = `${heldBy} writes evidence as ${this.#options.name}; each controller needs a name of its own`;
        throw this.#problem('EvidenceInUse', message);
      }
      await clock.sleep(askAgainMs, new AbortController().signal);
    }
  }

  /**
   * After the server has lost what we saved. Rejects with EvidenceInUse where somebody else has written since: what is there
   * then is not an earlier state of ours, and must not be replaced by it.
   */
  async claimAfterLoss(): Promise<void> {
    const before = this.#former;
    await this.claimAgain();
    if (['', this.token, before].includes(this.#found)) return;
    await this.release();
    const message = `the server lost what was saved as ${this.#options.name}, and another writer has gone on since`;
    throw this.#problem('EvidenceInUse', message);
  }

  async release(): Promise<void> {
    clearInterval(this.#timer);
    try {
      await this.#options.link.run(releaseScript, [this.#keys.writer], [this.token]);
    } catch (error) {
      // it ends by itself
      if (!(error instanceof RedisStoreError)) throw error;
    }
  }

  get #layouts(): Layouts {
    return this.#options.layouts ?? ourLayouts;
  }

  /** Answers with who has the right, or with the layout of what is there. */
  async #tryClaim(): Promise<{ readonly heldBy?: string; readonly found?: string }> {
    const { link, who, token, leaseMs } = this.#options;
    const { layout, meta, writer } = this.#keys;
    const [made = '', ...older] = readableLayouts(this.#layouts);
    const args = [made, token, who, leaseMs, randomUUID(), ...older];
    const answer = await link.run(claimScript, [layout, meta, writer], args);
    const [outcome, first, claim, revision, endpoints, found, former] = answer as [
      string,
      string,
      number,
      number,
      number,
      string,
      string,
    ];
    if (outcome === 'held') return { heldBy: first };
    if (outcome === 'layout') throw this.#unknownLayout(first);
    [this.#id, this.#claim, this.revision, this.#endpoints] = [first, claim, revision, endpoints];
    this.#found = former;
    return { found };
  }

  async #renew(): Promise<void> {
    try {
      const { link, leaseMs } = this.#options;
      await link.run(renewScript, [this.#keys.meta, this.#keys.writer], [this.token, leaseMs]);
    } catch (error) {
      // the next save says what is wrong
      if (!(error instanceof RedisStoreError)) throw error;
    }
  }

  #unknownLayout(found: string): RedisStoreError {
    const { current } = this.#layouts;
    const message = `the evidence of ${this.#options.name} is of layout ${found}, this nanoseg knows layout ${current}`;
    if (Number.parseInt(found, 10) >= current) return this.#problem('EvidenceNewer', message);
    return this.#problem('EvidenceUnreadable', `${message} and cannot bring that one over`);
  }

  #problem(code: 'EvidenceInUse' | 'EvidenceNewer' | 'EvidenceUnreadable', message: string): RedisStoreError {
    return new RedisStoreError(problem(code, message, this.#options.link.name), { retryable: false });
  }
}
