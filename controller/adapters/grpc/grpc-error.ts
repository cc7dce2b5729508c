import { grpcStatus, grpcStatusName } from './grpc-status.ts';

/** A call to a gRPC server that failed, in words; nobody else reads status codes. */
export class GrpcError extends Error {
  /** Of `grpcStatus`; undefined where no call was made. */
  readonly status: number | undefined;
  /** False: asking again cannot help, as what is wrong is what we were told to do. */
  readonly retryable: boolean;

  constructor(
    message: string,
    details: { readonly status?: number; readonly retryable?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'GrpcError';
    this.status = details.status;
    this.retryable = details.retryable ?? true;
  }
}

interface Fault {
  /** What the error says, or its code. */
  readonly sign: RegExp;
  readonly words: string;
  readonly remedy: string;
}

const authorityRemedy = 'give the certificate authority that signed it, or renew the file if it was rotated';
const notTlsRemedy = 'see whether that port speaks TLS: tls://host:port is with TLS, host:port without';
const clientRemedy = 'if it wants a certificate of its clients, give one that its authority signed, with its key';

const faults: readonly Fault[] = [
  {
    sign: /does not match certificate's altnames/,
    words: 'its certificate is for other names',
    remedy: 'give a server name that is in the certificate',
  },
  { sign: /certificate has expired/, words: 'its certificate has expired', remedy: 'renew the certificate there' },
  {
    sign: /certificate is not yet valid/,
    words: 'its certificate is not valid yet',
    remedy: 'compare the clocks of both machines',
  },
  {
    sign: /self[- ]signed certificate|unable to (?:verify the first|get (?:local )?issuer) certificate|certificate signature failure/,
    words: 'its certificate is not signed by an authority that we trust',
    remedy: authorityRemedy,
  },
  {
    sign: /alert (?:bad|unknown|unsupported) certificate|alert certificate (?:required|expired|revoked|unknown)|alert unknown ca|alert handshake failure|alert access denied/,
    words: 'it does not accept our certificate',
    remedy: clientRemedy,
  },
  {
    sign: /wrong version number|packet length too long|http request/,
    words: 'it does not speak TLS',
    remedy: notTlsRemedy,
  },
  { sign: /ECONNREFUSED/, words: 'nothing listens there', remedy: 'check the address, and that the server runs' },
  { sign: /ENOENT/, words: 'there is no such socket', remedy: 'check the path, and that the server runs on this node' },
  { sign: /EACCES|EPERM/, words: 'we may not open it', remedy: 'give this process the right to write to the socket' },
  {
    sign: /ERR_HTTP2_ERROR|Protocol error/,
    words: 'it does not speak HTTP/2 as gRPC does',
    remedy: 'check that the address is the right port of the right server',
  },
  {
    sign: /ENOTFOUND|EAI_AGAIN/,
    words: 'its name cannot be resolved',
    remedy: 'check the host name, and DNS',
  },
  { sign: /EHOSTUNREACH|ENETUNREACH/, words: 'no way leads there', remedy: 'check the address and the network' },
  {
    sign: /ETIMEDOUT/,
    words: 'it did not answer in time',
    remedy: 'check the address, and that no policy blocks the way',
  },
  {
    sign: /ECONNRESET|socket hang up|socket disconnected|EPIPE|connection closed|ERR_HTTP2_/i,
    words: 'it closed the connection',
    remedy: `if this repeats, ${notTlsRemedy}; ${clientRemedy}`,
  },
];

/** How a call ended. */
export interface CallStatus {
  /** Of `grpcStatus`. */
  readonly code: number;
  readonly details: string;
}

/** What a failed call means. `server` names it for people: `Hubble at relay:4245`. */
export function errorOfCall(server: string, { code, details }: CallStatus): GrpcError {
  const said = details === '' ? '' : ` (${shortened(details)})`;
  const make = (words: string) => new GrpcError(`${server}: ${words}`, { status: code });
  switch (code) {
    case grpcStatus.UNAUTHENTICATED:
      return make(`it does not know who we are${said}; give a certificate or token that it accepts`);
    case grpcStatus.PERMISSION_DENIED:
      return make(`it does not let us read${said}; give this client the right to it`);
    case grpcStatus.UNIMPLEMENTED:
      return make(`it does not offer this service${said}; check that the address is the right server's`);
    case grpcStatus.DEADLINE_EXCEEDED:
      return make(`it did not answer in time${said}; check that no policy blocks the way`);
    case grpcStatus.RESOURCE_EXHAUSTED:
      return make(`it or we reached a limit${said}; see its log`);
    case grpcStatus.UNAVAILABLE:
      return make(`it is not available${said}; see its log`);
    default:
      return make(`the call failed with ${grpcStatusName(code)}${said}; see its log`);
  }
}

/** What a connection that was not made, or broke, means. */
export function errorOfConnection(server: string, error: Error): GrpcError {
  // a name with several addresses
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const cause = first instanceof Error ? first : error;
  const { code = '' } = cause as NodeJS.ErrnoException;
  const text = `${code} ${cause.message}`;
  const said = shortened(cause.message || code);
  const fault = faults.find(({ sign }) => sign.test(text));
  const words = fault === undefined ? `it cannot be reached (${said})` : `${fault.words} (${said}); ${fault.remedy}`;
  return new GrpcError(`${server}: ${words}`, { status: grpcStatus.UNAVAILABLE, cause: error });
}

/** The sentence of an error without the places in the source of OpenSSL, and without advice for programmers. */
function shortened(details: string): string {
  const text = details
    // thread, code, library and function before the reason, file and line after it
    .replace(/^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):.*$/s, '$1')
    .replace(/; if the root CA is installed locally.*$/s, '')
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
