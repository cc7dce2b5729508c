import { ClusterError, type ClusterErrorCode } from '../../model/cluster-error.ts';

/** The server does not have the kind of object at all: too old, or our resources are not installed. */
export class KindNotServed extends ClusterError {}

/** A `Status` of the API server, as far as we read it. */
interface ApiStatus {
  readonly kind: 'Status';
  readonly code?: number;
  readonly reason?: string;
  readonly message?: string;
}

/** What a reply that is no success means. `body` is its text; `what` says what was asked, for servers that say nothing. */
export function errorOfReply(status: number, retryAfter: string | undefined, body: string, what: string): ClusterError {
  const parsed = parseStatus(body);
  if (parsed !== undefined) return errorOfStatus({ code: status, ...parsed }, retryAfterMs(retryAfter));
  if (status === 404) {
    return new KindNotServed('NotFound', `${what}: the server does not have this kind of object`, { status });
  }
  const message = `${what}: the server answered ${status}${body === '' ? '' : `: ${body.trim().slice(0, 300)}`}`;
  return new ClusterError(codeOf(status, undefined), message, { status, retryAfterMs: retryAfterMs(retryAfter) });
}

/** What an ERROR event of a watch or the body of a refusal means. */
export function errorOfStatus(status: ApiStatus, retryAfterMs?: number): ClusterError {
  const { code = 500, reason, message = `the server answered ${code}` } = status;
  return new ClusterError(codeOf(code, reason, message), wordsOf(code, message), { status: code, retryAfterMs });
}

export function isStatus(value: unknown): value is ApiStatus {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'Status';
}

function parseStatus(body: string): ApiStatus | undefined {
  if (!body.startsWith('{')) return undefined;
  try {
    const value: unknown = JSON.parse(body);
    return isStatus(value) ? value : undefined;
  } catch {
    // a proxy in between may answer with anything
    return undefined;
  }
}

function retryAfterMs(header: string | undefined): number | undefined {
  const seconds = Number(header ?? '');
  return header !== undefined && Number.isFinite(seconds) ? seconds * 1000 : undefined;
}

/** Servers that do not know a field of what is applied take that for an error of their own, with status 500. */
const unknownField = /^failed to create typed patch object/;

function codeOf(status: number, reason: string | undefined, message = ''): ClusterErrorCode {
  if (reason === 'AlreadyExists') return 'AlreadyExists';
  if (unknownField.test(message)) return 'Invalid';
  switch (status) {
    case 401:
      return 'Unauthorized';
    case 403:
      return 'Forbidden';
    case 404:
      return 'NotFound';
    case 409:
      return 'Conflict';
    case 410:
      return 'Expired';
    case 429:
      return 'TooManyRequests';
    default:
      return status >= 400 && status < 500 ? 'Invalid' : 'Unavailable';
  }
}

const missingRight =
  /User "([^"]*)" cannot (\S+) resource "([^"]+)"(?: in API group "[^"]*")?(?: in the namespace "([^"]+)")?/;

function wordsOf(status: number, message: string): string {
  if (status === 401) return 'the server does not accept the credentials';
  const right = status === 403 ? missingRight.exec(message) : null;
  if (right === null) return message;
  const [, user = '', verb = '', resource = '', namespace] = right;
  return `${rightInWords(verb, resource, namespace)} (you are ${user})`;
}

/** `you may not create policyapprovals in namespace shop`; without a namespace: in the whole cluster. */
export function rightInWords(verb: string, resource: string, namespace: string | undefined): string {
  const where = namespace === undefined || namespace === '' ? 'in the whole cluster' : `in namespace ${namespace}`;
  return `you may not ${verb} ${resource} ${where}`;
}

const certificateFaults: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate is not signed by the certificate authority of the kubeconfig',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is not signed by the certificate authority of the kubeconfig',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its certificate is not signed by the certificate authority of the kubeconfig',
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate is not signed by the certificate authority of the kubeconfig',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate is not signed by the certificate authority of the kubeconfig',
  CERT_SIGNATURE_FAILURE: 'its certificate is not signed by the certificate authority of the kubeconfig',
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for other names',
};

const networkFaults: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'it closed the connection',
  EPIPE: 'it closed the connection',
  UND_ERR_SOCKET: 'it closed the connection',
  ENOTFOUND: 'no host has that name',
  EAI_AGAIN: 'its name cannot be resolved at the moment',
  EHOSTUNREACH: 'no way leads there',
  ENETUNREACH: 'no way leads there',
  ETIMEDOUT: 'it did not answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'it did not answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'it did not answer in time',
  UND_ERR_BODY_TIMEOUT: 'its answer stopped halfway',
  ...certificateFaults,
};

/** A request that got no reply. */
export function errorOfNetwork(server: string, error: unknown): ClusterError {
  const root = rootCause(error);
  const { code = '' } = root as NodeJS.ErrnoException;
  const words = networkFaults[code] ?? (code.startsWith('ERR_SSL_') ? 'it does not speak TLS as expected' : undefined);
  const detail = root.message || code;
  if (root instanceof SyntaxError) {
    return new ClusterError('Unavailable', `${server} did not answer with JSON: ${detail}`, { cause: error });
  }
  const message = `${server} cannot be reached: ${words === undefined ? detail : `${words} (${detail})`}`;
  return new ClusterError('Unavailable', message, { cause: error });
}

function rootCause(error: unknown): Error {
  let root = error instanceof Error ? error : new Error(String(error));
  for (;;) {
    const inner: unknown = root instanceof AggregateError ? root.errors[0] : root.cause;
    if (!(inner instanceof Error)) return root;
    root = inner;
  }
}
