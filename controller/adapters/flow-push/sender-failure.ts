import type { SenderAddress } from './sender-address.ts';

/** Why a batch could not be delivered, with what to do where that is known. */
export function deliveryFailure(error: unknown, { text }: SenderAddress, answerWithinMs: number): string {
  if (!(error instanceof Error)) return `${text}: ${String(error)}`;
  const { code, path } = error as NodeJS.ErrnoException;
  if (error.name === 'TimeoutError' || error.name === 'AbortError') {
    return `${text} does not answer within ${answerWithinMs / 1000} s`;
  }
  switch (code) {
    case 'ECONNREFUSED':
      return `nobody listens at ${text}: is the push endpoint of the controller on (--push-port)?`;
    case 'ENOENT':
    case 'EACCES':
      return path === undefined || path === text.replace(/^unix:\/\//, '')
        ? `${text} cannot be opened (${code})`
        : `the file ${path} cannot be read (${code})`;
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return `the certificate of ${text} is not signed by an authority that is trusted: name its authority with --ca (${code})`;
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return `the certificate of ${text} is not valid at this time: renew it, or set the clock right (${code})`;
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return `the certificate of ${text} is for another name: use the name that it is for (${error.message})`;
    default:
      return `${text}: ${error.message}`;
  }
}
