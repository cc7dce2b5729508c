import { tableFailure } from './conntrack-failure.ts';
import { errorNumber, messageType, netlinkMessages, tableRequest } from './netlink-message.ts';
import { NetlinkSocket, SystemCallError } from './netlink-socket.ts';

const bufferBytes = 4 << 20;
const answerWithinMs = 10_000;

/** One reading of the kernel's whole table, part by part. */
export class ConntrackTable implements Disposable {
  readonly #socket: NetlinkSocket;
  #ended = false;

  constructor() {
    try {
      this.#socket = new NetlinkSocket(0);
      this.#socket.reserve(bufferBytes);
      this.#socket.send(tableRequest(1));
    } catch (error) {
      throw tableFailure(error);
    }
  }

  /** Some entries as netlink messages, valid until the next call; undefined at the end. Rejects when the kernel refuses. */
  async next(): Promise<Uint8Array | undefined> {
    const giveUpMs = performance.now() + answerWithinMs;
    while (!this.#ended) {
      const received = this.#socket.receive();
      if (received === 'overrun') throw new Error('the table of connection tracking was cut off');
      if (received !== 'empty') {
        const entries = this.#entries(received);
        if (entries.length > 0) return entries;
        continue;
      }
      if (performance.now() > giveUpMs) throw new Error('the kernel does not answer the question for its table');
      await this.#socket.readable(100);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  /** What comes before the end of the table, if that is in it. */
  #entries(received: Uint8Array): Uint8Array {
    for (const message of netlinkMessages(received)) {
      if (message === undefined) break;
      if (message.type === messageType.error) {
        const number = errorNumber(received, message);
        if (number !== 0) throw tableFailure(new SystemCallError('the question for the table', number));
      }
      if (message.type === messageType.done) {
        this.#ended = true;
        return received.subarray(0, message.start - 16);
      }
    }
    return received;
  }
}
