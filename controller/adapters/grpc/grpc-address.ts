import { GrpcError } from './grpc-error.ts';

/** Where a gRPC server is. */
export interface GrpcAddress {
  /** As the user wrote it. */
  readonly text: string;
  readonly isTls: boolean;
  /** Of a socket; else undefined. */
  readonly path: string | undefined;
  /** Empty for a socket; an IPv6 address without its brackets. */
  readonly host: string;
  /** 0 for a socket. */
  readonly port: number;
  /** Both as one writes them in an address. */
  readonly hostPort: string;
}

const hostPort = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9.])?):(\d{1,5})$/;

/**
 * Reads `host:port` (without TLS, unless `alwaysTls`), `tls://host:port` or `unix:///path`; an IPv6 address stands in
 * brackets. Throws a GrpcError that is final for anything else.
 */
export function parseGrpcAddress(text: string, alwaysTls = false): GrpcAddress {
  if (text.startsWith('unix://')) {
    const path = text.slice('unix://'.length);
    if (!path.startsWith('/') || path.length < 2) throw wrong(text, 'a socket is written unix:///path');
    return { text, isTls: false, path, host: '', port: 0, hostPort: '' };
  }
  const [, scheme, rest = text] = /^([a-z]+):\/\/(.*)$/s.exec(text) ?? [];
  if (scheme !== undefined && scheme !== 'tls') throw wrong(text, `${scheme}:// is not known here`);
  const [, host, port] = hostPort.exec(rest) ?? [];
  if (host === undefined) throw wrong(text, 'host and port are wanted');
  if (Number(port) < 1 || Number(port) > 65535) throw wrong(text, 'a port is 1 to 65535');
  return {
    text,
    isTls: scheme === 'tls' || alwaysTls,
    path: undefined,
    host: host.replaceAll(/[[\]]/g, ''),
    port: Number(port),
    hostPort: `${host}:${Number(port)}`,
  };
}

function wrong(text: string, why: string): GrpcError {
  const message = `the address ${JSON.stringify(text)} cannot be used: ${why}; write host:port, tls://host:port or unix:///path`;
  return new GrpcError(message, { retryable: false });
}
