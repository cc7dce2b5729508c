import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { type ChannelOptions, Client, credentials } from '@grpc/grpc-js';
import type { GrpcAddress } from './grpc-address.ts';
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

/** Servers in Go take pings more often than every five minutes for abuse and close the connection. */
const keepaliveMs = 310_000;
const keepaliveTimeoutMs = 20_000;
const windowBytes = 1024 * 1024;
/** Said in the handshake in place of an address, which may not be said there. */
const addressPlaceholder = 'ip-address.invalid';

/**
 * A client with a connection of its own, made with the first call; `close()` ends it. `server` names it in messages.
 * Rejects with a GrpcError.
 */
export async function openClient(
  server: string,
  address: GrpcAddress,
  { tls, maxMessageBytes = 16 * 1024 * 1024 }: ClientOptions = {},
): Promise<Client> {
  const channelCredentials = address.isTls
    ? await tlsCredentials(server, wantedName(address, tls), tls ?? {})
    : plainCredentials(server, address, tls ?? {});
  const options: ChannelOptions = {
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.keepalive_time_ms': keepaliveMs,
    'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
    'grpc-node.flow_control_window': windowBytes,
    // or another client of this process would keep the connection, and the files that it was made with, alive
    'grpc.use_local_subchannel_pool': 1,
    // the caller reconnects and tells people; a stream that is resumed behind its back loses flows
    'grpc.enable_retries': 0,
    ...(address.isTls && nameOptions(address, tls)),
  };
  return new Client(address.target, channelCredentials, options);
}

function plainCredentials(server: string, { text }: GrpcAddress, { ca, cert, key, serverName }: TlsFiles) {
  if ([ca, cert, key, serverName].every((setting) => setting === undefined)) return credentials.createInsecure();
  const remedy = text.startsWith('unix:') ? 'leave them out for a socket' : `write tls://${text}, or leave them out`;
  const message = `${server}: settings for TLS are given, and the address is without TLS; ${remedy}`;
  throw new GrpcError(message, { retryable: false });
}

function wantedName({ host }: GrpcAddress, tls: TlsFiles | undefined): string {
  return tls?.serverName ?? host;
}

function nameOptions(address: GrpcAddress, tls: TlsFiles | undefined): ChannelOptions {
  const name = wantedName(address, tls);
  return {
    'grpc.ssl_target_name_override': isIP(name) === 0 ? name : addressPlaceholder,
    ...(tls?.serverName !== undefined && { 'grpc.default_authority': tls.serverName }),
  };
}

async function tlsCredentials(server: string, name: string, { ca, cert, key }: TlsFiles) {
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
    return credentials.createSsl(authorities, privateKey, certificate, {
      checkServerIdentity: (_, presented: PeerCertificate) => wrongName(name, presented),
    });
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

async function pem(server: string, what: string, path: string | undefined): Promise<Buffer | null> {
  if (path === undefined) return null;
  try {
    const bytes = await readFile(path);
    if (bytes.includes('-----BEGIN ')) return bytes;
  } catch (error) {
    const message = `${server}: ${what} cannot be read from ${path} (${(error as Error).message}); check the file`;
    throw new GrpcError(message, { cause: error });
  }
  throw new GrpcError(`${server}: ${path} is no PEM file; ${what} is wanted there`);
}
