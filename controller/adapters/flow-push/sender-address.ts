import { isIP } from 'node:net';
import { type Problem, problem } from '../../model/problem.ts';

/** Where flows are delivered to, as a person wrote it. */
export type SenderAddress =
  | { readonly kind: 'socket'; readonly text: string; readonly path: string }
  | {
      readonly kind: 'https' | 'http';
      readonly text: string;
      /** A name, or an address without brackets. */
      readonly host: string;
      readonly port: number;
    };

const flowsPath = '/v1/flows';

/** The path that flows are posted to. */
export const deliveryPath = flowsPath;

/** Reads `https://host:port`, `unix:///path`, or `http://` with an address of this machine: tokens are not sent in the open. */
export function parseSenderAddress(text: string): SenderAddress | Problem {
  const url = URL.parse(text);
  const bad = (why: string) => problem('ArgumentInvalid', `--to ${text}: ${why}`);
  if (url === null) return bad('expected https://host:port or unix:///path');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return bad('expected nothing but a host and a port');
  }
  switch (url.protocol) {
    case 'unix:':
      return url.host === '' && url.pathname.length > 1
        ? { kind: 'socket', text, path: decodeURIComponent(url.pathname) }
        : bad('expected unix:///path');
    case 'https:':
    case 'http:': {
      if (url.pathname !== '/' && url.pathname !== flowsPath) return bad(`expected no path, or ${flowsPath}`);
      const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
      const kind = url.protocol === 'https:' ? 'https' : 'http';
      if (kind === 'http' && !isLoopback(host)) return bad('http:// only goes to this machine itself: use https://');
      return { kind, text, host, port: Number(url.port || (kind === 'https' ? 443 : 80)) };
    }
    default:
      return bad('expected https://host:port or unix:///path');
  }
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
