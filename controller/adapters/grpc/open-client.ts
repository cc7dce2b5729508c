import { readFile } from 'node:fs/promises';
import { connect as connectPlain, isIP } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect as connectTls,
  createSecureContext,
  type PeerCertificate,
} from 'node:tls';
import type { GrpcAddress } from './grpc-address.ts';
import { GrpcClient } from './grpc-client.ts';
import { GrpcError } from './grpc-error.ts';

/** Files in PEM, read anew for each connection, because certificates are rotated. */
export interface TlsFiles {
  /** Authorities that may have signed the server's certificate. @default those of the system */
  readonly ca?: string;
  /** Our certificate and its key, for servers that want one. */
  readonly cert?: string;
  readonly key?: string;
  /** Name that the server's certificate must be good for. @default the address's host */
  readonly serverName?: string;
}

export interface ClientOptions {
  readonly tls?: TlsFiles;
  /** Larger messages end the call. @default 16 MiB */
  readonly maxMessageBytes?: number;
}

/**
 * A client with a connection of its own, which is made with its first call. `server` names it in messages. Rejects with a
 * GrpcError.
 */
export async function openClient(
  server: string,
  address: GrpcAddress,
  { tls = {}, maxMessageBytes = 16 * 1024 * 1024 }: ClientOptions = {},
): Promise<GrpcClient> {
  const { serverName } = tls;
  const name = serverName ?? address.host;
  const socket = address.isTls ? await tlsOptions(server, name, tls) : undefined;
  if (socket === undefined) refuseTls(server, address, tls);
  const authority = serverName ?? (address.host === '' ? 'localhost' : address.hostPort);
  const connect = () => {
    const to = address.path === undefined ? { host: address.host, port: address.port } : { path: address.path };
    return socket === undefined ? connectPlain(to) : connectTls({ ...to, ...socket });
  };
  return new GrpcClient({ server, authority, connect, maxMessageBytes, isTls: address.isTls });
}

function refuseTls(server: string, { text }: GrpcAddress, { ca, cert, key, serverName }: TlsFiles): void {
  if ([ca, cert, key, serverName].every((setting) => setting === undefined)) return;
  const remedy = text.startsWith('unix:') ? 'leave them out for a socket' : `write tls://${text}, or leave them out`;
  const message = `${server}: settings for TLS are given, and the address is without TLS; ${remedy}`;
  throw new GrpcError(message, { retryable: false });
}

async function tlsOptions(server: string, name: string, { ca, cert, key }: TlsFiles): Promise<ConnectionOptions> {
  if ((cert === undefined) !== (key === undefined)) {
    const message = `${server}: a client certificate needs both its file and the file of its key`;
    throw new GrpcError(message, { retryable: false });
  }
  const [authorities, certificate, privateKey] = await Promise.all([
    pem(server, 'the certificate authority', ca),
    pem(server, 'our certificate', cert),
    pem(server, "our certificate's key", key),
  ]);
  try {
    return {
      secureContext: createSecureContext({
        ...(authorities !== undefined && { ca: authorities }),
        ...(certificate !== undefined && { cert: certificate }),
        ...(privateKey !== undefined && { key: privateKey }),
      }),
      ALPNProtocols: ['h2'],
      // an address may not be said in the handshake
      servername: isIP(name) === 0 ? name : '',
      checkServerIdentity: (_, presented) => wrongName(name, presented),
    };
  } catch (error) {
    const message = `${server}: ${[ca, cert, key].filter(Boolean).join(', ')} cannot be used (${(error as Error).message}); a PEM certificate and the key that belongs to it are wanted`;
    throw new GrpcError(message, { cause: error });
  }
}

function wrongName(name: string, presented: PeerCertificate): Error | undefined {
  const error = checkServerIdentity(name, presented);
  if (error !== undefined) error.message += `; it has ${presented.subjectaltname ?? 'no names'}`;
  return error;
}

async function pem(server: string, what: string, path: string | undefined): Promise<Buffer | undefined> {
  if (path === undefined) return undefined;
  try {
    const bytes = await readFile(path);
    if (bytes.includes('-----BEGIN ')) return bytes;
  } catch (error) {
    const message = `${server}: ${what} cannot be read from ${path} (${(error as Error).message}); check the file`;
    throw new GrpcError(message, { cause: error });
  }
  throw new GrpcError(`${server}: ${path} is no PEM file; ${what} is wanted there`);
}
