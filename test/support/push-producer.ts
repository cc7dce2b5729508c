import { type ClientRequest, request as openRequest } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { numbered } from './push-world.ts';

/** Times are a tenth of what the endpoint asks for. */
const patience = 100;
const leastPauseMs = 20;
const taken = 200;
/** What an endpoint answers that wants the same again later. */
const later: readonly number[] = [429, 503];

/**
 * Somebody who pushes to a unix socket as docs/sources.md tells it, without any code of nanoseg: one batch after the other, the
 * same one with the same number until it is acknowledged, however often the endpoint goes away meanwhile.
 */
export class PushProducer {
  readonly #socketPath: string;
  readonly #name: string;
  #sequence = 0;
  #last = Promise.resolve();
  #request: ClientRequest | undefined;
  #isStopped = false;

  constructor(socketPath: string, name: string) {
    this.#socketPath = socketPath;
    this.#name = name;
  }

  /** Takes a batch to be delivered after those before it. */
  offer(body: string): void {
    const sequence = ++this.#sequence;
    this.#last = this.#last.then(() => this.#deliver(body, sequence));
  }

  /** The connection ends in the middle of whatever is said. */
  cut(): void {
    this.#request?.destroy();
  }

  /** Rejects when a batch was refused for good. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.cut();
    await this.#last;
  }

  async #deliver(body: string, sequence: number): Promise<void> {
    while (!this.#isStopped) {
      const { status, retryAfterS } = await this.#post(body, sequence);
      if (status === taken) return;
      if (status !== undefined && !later.includes(status)) throw new Error(`batch ${sequence} is answered ${status}`);
      await delay(leastPauseMs + retryAfterS * patience);
    }
  }

  /** No status: nobody answered. */
  #post(body: string, sequence: number): Promise<{ status?: number; retryAfterS: number }> {
    return new Promise((resolve) => {
      const headers = numbered(this.#name, sequence);
      const request = openRequest({
        socketPath: this.#socketPath,
        method: 'POST',
        path: '/v1/flows',
        agent: false,
        headers,
      });
      this.#request = request;
      request.on('error', () => resolve({ retryAfterS: 0 }));
      request.on('close', () => resolve({ retryAfterS: 0 }));
      request.on('response', (response) => {
        const { statusCode: status = 0 } = response;
        // nothing it says counts before all of it was said
        response
          .resume()
          .on('end', () => resolve({ status, retryAfterS: Number(response.headers['retry-after'] ?? 0) }));
      });
      request.end(body);
    });
  }
}
