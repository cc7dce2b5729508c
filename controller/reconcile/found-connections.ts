import { connectionId } from '../model/connection.ts';
import { endpointId } from '../model/endpoint.ts';
import { listedItems } from '../model/policy-proposal.ts';
import type { Sighting } from '../model/sighting.ts';

/** Connections remembered at once; of those only the most frequent are shown. */
const keptConnections = 2 * listedItems;

export interface FoundConnection {
  /** Connection id. */
  readonly connection: string;
  /** One sentence. */
  readonly message: string;
  readonly times: number;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface FoundList {
  /**
   * Distinct connections. One that was dropped from a full list and comes back counts again, so that beyond the kept ones
   * it is the most that there can be.
   */
  readonly count: number;
  /** How often they were seen together. */
  readonly times: number;
  /** The most frequent, at most `listedItems`. */
  readonly samples: readonly FoundConnection[];
}

interface Kept {
  readonly client: string;
  readonly describe: () => string;
  message: string | undefined;
  times: number;
  firstSeenMs: number;
  lastSeenMs: number;
}

/**
 * Connections of one kind, of which the memory holds only so many. A full list drops one of the client that has most of
 * them, so that a scan drives out its own; of those the rarest, and then the one that was seen longest ago. All clients
 * from outside of the cluster are one.
 */
export class FoundConnections {
  readonly #kept = new Map<string, Kept>();
  readonly #ofClient = new Map<string, number>();
  #dropped = 0;
  #times = 0;

  /** Counts what the sighting stands for; the sentence is asked for when somebody reads it. */
  add({ client, server, protocol, port, directed, connections, timeMs }: Sighting, describe: () => string): void {
    this.#times += connections;
    const id = connectionId(client.endpoint, server.endpoint, protocol, port, directed);
    const known = this.#kept.get(id);
    if (known !== undefined) {
      known.times += connections;
      known.firstSeenMs = Math.min(known.firstSeenMs, timeMs);
      known.lastSeenMs = Math.max(known.lastSeenMs, timeMs);
      return;
    }
    if (this.#kept.size >= keptConnections) this.#dropOne();
    const who = client.endpoint.kind === 'external' ? 'external' : endpointId(client.endpoint);
    this.#ofClient.set(who, (this.#ofClient.get(who) ?? 0) + 1);
    const seen = { times: connections, firstSeenMs: timeMs, lastSeenMs: timeMs };
    this.#kept.set(id, { client: who, describe, message: undefined, ...seen });
  }

  list(): FoundList {
    const all = [...this.#kept].sort(([a, x], [b, y]) => y.times - x.times || (a < b ? -1 : 1));
    return {
      count: all.length + this.#dropped,
      times: this.#times,
      samples: all.slice(0, listedItems).map(([connection, kept]) => {
        const message = (kept.message ??= kept.describe());
        const { firstSeenMs, lastSeenMs } = kept;
        return { connection, message, times: Math.max(1, kept.times), firstSeenMs, lastSeenMs };
      }),
    };
  }

  #dropOne(): void {
    const most = Math.max(...this.#ofClient.values());
    let least: readonly [id: string, kept: Kept] | undefined;
    for (const each of this.#kept) {
      const [, { client, times, lastSeenMs }] = each;
      if (this.#ofClient.get(client) !== most) continue;
      const [, other] = least ?? [];
      if (!other || times < other.times || (times === other.times && lastSeenMs < other.lastSeenMs)) least = each;
    }
    if (least === undefined) return;
    const [id, { client }] = least;
    this.#kept.delete(id);
    if (most > 1) this.#ofClient.set(client, most - 1);
    else this.#ofClient.delete(client);
    this.#dropped++;
  }
}
