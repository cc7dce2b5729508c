import { once } from 'node:events';
import { chmod, lstat, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer, type Server as SecureServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { SecureContextOptions } from 'node:tls';
import type { PushLimits } from './push-limits.ts';

/** What a port is served with, all PEM. */
export interface PushTls {
  readonly cert: string;
  readonly key: string;
  /** Who signs the certificates of clients; undefined: they are not asked for one. */
  readonly clientCa: string | undefined;
}

export type PushAddress =
  | { readonly kind: 'socket'; readonly path: string }
  /** Port 0: any free one. Without a host every address of the machine, without `tls` plain HTTP. */
  | {
      readonly kind: 'port';
      readonly port: number;
      readonly host?: string | undefined;
      readonly tls?: PushTls | undefined;
    };

export interface PushListenerOptions {
  readonly limits: PushLimits;
  readonly serve: RequestListener;
  /** A connection was one too many. */
  readonly onTurnedAway: () => void;
}

/** Longer than senders wait between two batches, so that it is seldom us who closes a connection. */
const idleMs = 75_000;
/** What the other side has to read the last answers in. */
const lastAnswersMs = 1_000;

/** A port or a unix socket that is pushed to. Clients that are slow, or too many, are turned away. */
export class PushListener {
  readonly #server: Server | SecureServer;
  readonly #connections = new Map<string, number>();

  private constructor(address: PushAddress, { limits, serve, onTurnedAway }: PushListenerOptions) {
    const timed = {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      keepAliveTimeout: idleMs,
      connectionsCheckingInterval: Math.min(1_000, limits.headersMs),
    };
    if (address.kind === 'port' && address.tls !== undefined) {
      const asked = address.tls.clientCa !== undefined;
      // who comes with a token has no certificate: what is missing is said in an answer
      const clients = { requestCert: asked, rejectUnauthorized: false, handshakeTimeout: limits.headersMs };
      this.#server = createSecureServer({ ...timed, ...clients, ...contextOf(address.tls) }, serve);
    } else this.#server = createServer(timed, serve);
    this.#server.maxConnections = limits.connections;
    this.#server.on('drop', onTurnedAway);
    this.#server.on('connection', (socket: Socket) => {
      if (this.#admit(socket, limits.connectionsPerAddress)) return;
      onTurnedAway();
      socket.destroy();
    });
  }

  /** Rejects when the port or the socket cannot be had. */
  static async open(address: PushAddress, options: PushListenerOptions): Promise<PushListener> {
    const listener = new PushListener(address, options);
    if (address.kind === 'socket') {
      await removeSocket(address.path);
      listener.#server.listen(address.path);
    } else listener.#server.listen(address.port, address.host);
    await once(listener.#server, 'listening');
    // only its owner may write to it, and so connect
    if (address.kind === 'socket') await chmod(address.path, 0o600);
    return listener;
  }

  /** Undefined for a unix socket. */
  get port(): number | undefined {
    const address = this.#server.address() as AddressInfo | string | null;
    return typeof address === 'object' ? address?.port : undefined;
  }

  /** Connections from now on are served with these. */
  renew(tls: PushTls): void {
    if ('setSecureContext' in this.#server) this.#server.setSecureContext(contextOf(tls));
  }

  /** Takes no more connections; those that wait for an answer are closed after it. */
  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeIdleConnections();
    const late = setTimeout(() => this.#server.closeAllConnections(), lastAnswersMs);
    await closed;
    clearTimeout(late);
  }

  #admit(socket: Socket, most: number): boolean {
    const { remoteAddress } = socket;
    // a unix socket has none: whoever may open it is trusted with all of it
    if (remoteAddress === undefined) return true;
    const open = (this.#connections.get(remoteAddress) ?? 0) + 1;
    if (open > most) return false;
    this.#connections.set(remoteAddress, open);
    socket.once('close', () => {
      const left = (this.#connections.get(remoteAddress) ?? 1) - 1;
      if (left > 0) this.#connections.set(remoteAddress, left);
      else this.#connections.delete(remoteAddress);
    });
    return true;
  }
}

function contextOf({ cert, key, clientCa }: PushTls): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2', ...(clientCa === undefined ? {} : { ca: clientCa }) };
}

/** A process that was killed leaves its socket behind; anything else at the path is not ours. */
async function removeSocket(path: string): Promise<void> {
  const found = await lstat(path).catch(() => undefined);
  if (found?.isSocket()) await rm(path, { force: true });
}
