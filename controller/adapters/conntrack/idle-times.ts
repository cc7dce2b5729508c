import { protocolNumber } from '../../model/protocol.ts';
import type { ConntrackMessage } from './conntrack-message.ts';
import { readSetting } from './settings.ts';

/**
 * For how long no packet of a connection was seen, from the time that is left until the kernel forgets it. An open TCP
 * connection may stand in a table for days after a side of it is gone and somebody else has its address.
 */
export class IdleTimes {
  readonly #establishedSeconds: number | undefined;
  readonly #unansweredSeconds: number;

  /** `unansweredSeconds`: what an open connection is given instead while something that was sent waits for its answer. */
  constructor(establishedSeconds: number | undefined, unansweredSeconds = 0) {
    this.#establishedSeconds = establishedSeconds;
    this.#unansweredSeconds = unansweredSeconds;
  }

  static async read(): Promise<IdleTimes> {
    const [established, ...unanswered] = await Promise.all(
      ['established', 'unacknowledged', 'max_retrans'].map((name) => readSetting(`nf_conntrack_tcp_timeout_${name}`)),
    );
    return new IdleTimes(established, Math.max(...unanswered.map((seconds) => seconds ?? 0)));
  }

  /** Milliseconds; 0 for events, and for entries that are forgotten within minutes. */
  idleMs({ entry, timeoutSeconds }: ConntrackMessage): number {
    if (entry.event !== 'snapshot' || entry.protocol !== protocolNumber.TCP || entry.state !== 'ESTABLISHED') return 0;
    if (this.#establishedSeconds === undefined || timeoutSeconds === undefined) return 0;
    // busy connections are caught there all the time, those whose days end in these minutes hardly ever
    const given = timeoutSeconds <= this.#unansweredSeconds ? this.#unansweredSeconds : this.#establishedSeconds;
    return Math.max(0, given - timeoutSeconds) * 1000;
  }
}
