import { type ServiceError, status } from '@grpc/grpc-js';

/** A call to a gRPC server that failed, in words; nobody else reads status codes. */
export class GrpcError extends Error {
  /** gRPC status, or undefined where no call was made. */
  readonly status: status | undefined;
  /** False: asking again cannot help, as what is wrong is what we were told to do. */
  readonly retryable: boolean;

  constructor(
    message: string,
    details: { readonly status?: status; readonly retryable?: boolean; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'GrpcError';
    this.status = details.status;
    this.retryable = details.retryable ?? true;
  }
}

interface Fault {
  /** What the text of the library looks like; it gives no codes for what goes wrong below a call. */
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
    sign: /ENOTFOUND|Name resolution failed/,
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
    sign: /ECONNRESET|socket hang up|socket disconnected|EPIPE|Connection dropped|Connection closed|Failed to connect|GOAWAY|RST_STREAM|Stream refused/i,
    words: 'it closed the connection',
    remedy: `if this repeats, ${notTlsRemedy}; ${clientRemedy}`,
  },
];

/** What a failed call means. `server` names it for people: `Hubble at relay:4245`. */
export function errorOfCall(server: string, error: ServiceError): GrpcError {
  const { code, details } = error;
  const said = details === '' ? '' : ` (${shortened(details)})`;
  const make = (words: string) => new GrpcError(`${server}: ${words}`, { status: code, cause: error });
  switch (code) {
    case status.UNAUTHENTICATED:
      return make(`it does not know who we are${said}; give a certificate or token that it accepts`);
    case status.PERMISSION_DENIED:
      return make(`it does not let us read${said}; give this client the right to it`);
    case status.UNIMPLEMENTED:
      return make(`it does not offer this service${said}; check that the address is the right server's`);
    case status.DEADLINE_EXCEEDED:
      return make(`it did not answer in time${said}; check that no policy blocks the way`);
    case status.RESOURCE_EXHAUSTED:
      return make(`it or we reached a limit${said}; see its log`);
    default: {
      const fault = faults.find(({ sign }) => sign.test(details));
      if (fault !== undefined) return make(`${fault.words}${said}; ${fault.remedy}`);
      const words = code === status.UNAVAILABLE ? 'it is not available' : `the call failed with ${status[code]}`;
      return make(`${words}${said}; see its log`);
    }
  }
}

/** The library's sentence without its frame and its stamp of time. */
function shortened(details: string): string {
  const text = details
    .replace(/^No connection established\. Last error: /, '')
    .replace(/\. Resolution note: .*$/s, '')
    .replace(/^\w*Error(?: \[\w+\])?: /, '')
    // OpenSSL: thread, code, library and function before the reason, the place in its source after it
    .replace(/^[0-9A-F]+:error:[0-9A-F]+:[^:]*:[^:]*:([^:]*):.*$/s, '$1')
    .replace(/; if the root CA is installed locally.*$/s, '')
    .replace(/ \(\d{4}-\d\d-\d\dT[\d:.]+Z\)$/, '')
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim();
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
