import { hostUint32, setHostUint16, setHostUint32 } from './netlink-message.ts';
import { type LibC, libC } from './libc.ts';

const [addressFamily, rawSocket, closeOnExec, nonBlocking, netfilter] = [16, 3, 0o2000000, 0o4000, 12] as const;
const socketLevel = 1;
const receiveBuffer = 8;
const receiveBufferForce = 33;
const dontWait = 0x40;
const errno = { again: 11, interrupted: 4, noBuffers: 105 } as const;
const readable = 1;
/** The call on the pool's thread ends at the latest after so long, so that a process that ends is not held up. */
const longestWaitMs = 1_000;

/** A system call that failed, with its error number. */
export class SystemCallError extends Error {
  readonly errno: number;

  constructor(call: string, number: number) {
    super(`${call} failed with error ${number}`);
    this.name = 'SystemCallError';
    this.errno = number;
  }
}

/** `overrun`: the kernel threw messages away because nobody read them in time. */
export type Received = Uint8Array | 'empty' | 'overrun';

/** A socket to the kernel's netfilter (netlink), which Node cannot open by itself. All failures throw SystemCallError. */
export class NetlinkSocket implements Disposable {
  readonly #c: LibC;
  readonly #fd: number;
  readonly #wake: number;
  /** Two of `struct pollfd`: descriptor, wanted events, events that happened. */
  readonly #watched = new Uint8Array(16);
  readonly #data = new Uint8Array(1 << 16);
  #waiting: Promise<number> | undefined;
  #closed = false;

  /** The port by which the kernel knows the socket; `groups` is a mask of multicast groups to listen to. */
  readonly port: number;

  constructor(groups: number) {
    this.#c = libC();
    this.#fd = this.#checked('socket', this.#c.socket(addressFamily, rawSocket | closeOnExec | nonBlocking, netfilter));
    this.#wake = this.#c.eventfd(0, closeOnExec | nonBlocking);
    setHostUint32(this.#watched, 0, this.#fd);
    setHostUint16(this.#watched, 4, readable);
    setHostUint32(this.#watched, 8, this.#wake);
    setHostUint16(this.#watched, 12, readable);
    try {
      const address = new Uint8Array(12);
      setHostUint16(address, 0, addressFamily);
      setHostUint32(address, 8, groups);
      this.#checked('bind', this.#c.bind(this.#fd, address, address.length));
      const length = new Uint8Array(4);
      setHostUint32(length, 0, address.length);
      this.#checked('getsockname', this.#c.getsockname(this.#fd, address, length));
      this.port = hostUint32(address, 4);
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Asks for so many bytes for what is not read yet, past the system's limit where that is permitted; says what it got. */
  reserve(bytes: number): number {
    const value = new Uint8Array(4);
    const length = new Uint8Array(4);
    setHostUint32(value, 0, bytes);
    if (this.#c.setsockopt(this.#fd, socketLevel, receiveBufferForce, value, 4) < 0) {
      this.#checked('setsockopt', this.#c.setsockopt(this.#fd, socketLevel, receiveBuffer, value, 4));
    }
    setHostUint32(length, 0, 4);
    this.#checked('getsockopt', this.#c.getsockopt(this.#fd, socketLevel, receiveBuffer, value, length));
    return hostUint32(value, 0);
  }

  send(message: Uint8Array): void {
    this.#checked('send', this.#c.send(this.#fd, message, message.length, 0));
  }

  /** What is there, without waiting; the bytes are valid until the next call. */
  receive(): Received {
    const length = this.#c.recv(this.#fd, this.#data, this.#data.length, dontWait);
    if (length >= 0) return this.#data.subarray(0, length);
    const number = this.#c.errno();
    switch (number) {
      case errno.again:
      case errno.interrupted:
        return 'empty';
      case errno.noBuffers:
        return 'overrun';
      default:
        throw new SystemCallError('recv', number);
    }
  }

  /** Resolves when there is something to receive, or it was overrun, woken, or after at most a second. */
  async readable(timeoutMs: number): Promise<void> {
    if (this.#closed) return;
    this.#waiting = this.#c.poll(this.#watched, 2, Math.min(Math.max(0, Math.ceil(timeoutMs)), longestWaitMs));
    await this.#waiting;
    this.#waiting = undefined;
    if (this.#closed) this.#release();
  }

  /** Ends the wait under way. */
  wake(): void {
    if (this.#closed) return;
    const one = new Uint8Array(8);
    setHostUint32(one, 0, 1);
    setHostUint32(one, 4, 1);
    this.#c.write(this.#wake, one, 8);
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.wake();
    this.#closed = true;
    // a descriptor must not be given to somebody else while a thread waits on it
    if (this.#waiting === undefined) this.#release();
  }

  #release(): void {
    this.#c.close(this.#fd);
    if (this.#wake >= 0) this.#c.close(this.#wake);
  }

  #checked(call: string, result: number): number {
    if (result < 0) throw new SystemCallError(call, this.#c.errno());
    return result;
  }
}
