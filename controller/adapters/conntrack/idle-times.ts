import { protocolNumber } from '../../model/protocol.ts';
import type { ConntrackMessage } from './conntrack-message.ts';
import { readSetting } from './settings.ts';

/**
 * For how long no packet of a connection was seen, from the time that is left until the kernel forgets it. An open TCP
 * connection may stand in a table for days after a side of it is gone and somebody else has its address.
 */
export class IdleTimes {
  readonly #establishedSeconds: number | undefined;

  constructor(establishedSeconds: number | undefined) {
    this.#establishedSeconds = establishedSeconds;
  }

  static async read(): Promise<IdleTimes> {
    return new IdleTimes(await readSetting('nf_conntrack_tcp_timeout_established'));
  }

  /** Milliseconds; 0 for events, and for entries that are forgotten within minutes. */
  idleMs({ entry, timeoutSeconds }: ConntrackMessage): number {
    if (entry.event !== 'snapshot' || entry.protocol !== protocolNumber.TCP || entry.state !== 'ESTABLISHED') return 0;
    if (this.#establishedSeconds === undefined || timeoutSeconds === undefined) return 0;
    return Math.max(0, this.#establishedSeconds - timeoutSeconds) * 1000;
  }
}
