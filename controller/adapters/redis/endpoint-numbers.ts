import type { EndpointDelta } from '../../graph/graph-delta.ts';
import { endpointId } from '../../model/endpoint.ts';
import type { RedisLink } from './redis-link.ts';

const askedAtOnce = 1_000;

/**
 * A small number for each endpoint, for connections to name it by. The number of an endpoint is stored with it, and always
 * in the step that stores the first connection of it, so that one that was given and never stored does no harm.
 */
export class EndpointNumbers {
  readonly #link: RedisLink;
  readonly #key: string;
  readonly #known = new Map<string, number>();
  #highest: number;

  /** `highest`: the last that was given in what is stored. */
  constructor(link: RedisLink, key: string, highest: number) {
    this.#link = link;
    this.#key = key;
    this.#highest = highest;
  }

  get highest(): number {
    return this.#highest;
  }

  remember(id: string, number: number): void {
    this.#known.set(id, number);
  }

  /** In the order of the endpoints. */
  async of(endpoints: readonly EndpointDelta[]): Promise<number[]> {
    const ids = endpoints.map(({ endpoint }) => endpointId(endpoint));
    const unknown = ids.filter((id) => !this.#known.has(id));
    for (let i = 0; i < unknown.length; i += askedAtOnce) await this.#ask(unknown.slice(i, i + askedAtOnce));
    return ids.map((id) => this.#known.get(id) ?? this.#give(id));
  }

  async #ask(ids: readonly string[]): Promise<void> {
    const values = await this.#link.fieldValues(this.#key, ids);
    for (const [i, value] of values.entries()) {
      const stored = /^\[(\d+),/.exec(value ?? '');
      if (stored !== null) this.#known.set(ids[i] as string, Number(stored[1]));
    }
  }

  #give(id: string): number {
    const number = ++this.#highest;
    this.#known.set(id, number);
    return number;
  }
}
