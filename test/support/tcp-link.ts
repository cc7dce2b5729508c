import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A way to one of several ports of this machine, as a Service is one, that can be cut and mended. */
export class TcpLink {
  readonly #targets: readonly number[];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  private constructor(targets: readonly number[]) {
    this.#targets = targets;
    this.#server = createServer((socket) => void this.#accept(socket));
  }

  static async to(...targets: readonly number[]): Promise<TcpLink> {
    const link = new TcpLink(targets);
    link.#server.listen(0, '127.0.0.1');
    await once(link.#server, 'listening');
    return link;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections end at once, and new ones come to nothing. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    await once(this.#server.close(), 'close');
  }

  async #accept(inbound: Socket): Promise<void> {
    this.#own(inbound);
    const outbound = this.#isCut ? undefined : await this.#reach();
    if (outbound === undefined || this.#isCut) {
      inbound.destroy();
      outbound?.destroy();
      return;
    }
    this.#own(outbound);
    inbound.pipe(outbound).pipe(inbound);
    inbound.once('close', () => outbound.destroy());
    outbound.once('close', () => inbound.destroy());
  }

  /** The first target that answers. */
  async #reach(): Promise<Socket | undefined> {
    for (const port of this.#targets) {
      const socket = connect(port, '127.0.0.1');
      const [reached] = await Promise.race([
        once(socket, 'connect').then(() => [true]),
        once(socket, 'close').then(() => [false]),
      ]).catch(() => [false]);
      if (reached) return socket;
    }
    return undefined;
  }

  #own(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    // either side may go away at any moment: that is what this is for
    socket.on('error', () => socket.destroy());
  }
}
