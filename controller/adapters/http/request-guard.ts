import type { NextFunction, Request, Response } from 'express';
import { ApiProblem } from './api/api-problem.ts';
import { contentSecurityPolicy } from './page-router.ts';

/** On every answer, whatever it is. */
const securityHeaders: Readonly<Record<string, string>> = {
  'Content-Security-Policy': contentSecurityPolicy,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
};

/**
 * Refuses what another site makes a browser send: requests that name this address by a name of that site (DNS rebinding),
 * that come from its pages, or that are no JSON although they change something.
 */
export function requestGuard(isLoopback: boolean) {
  return (request: Request, response: Response, next: NextFunction): void => {
    response.set(securityHeaders);
    const host = request.get('host') ?? '';
    if (isLoopback && !isLoopbackHost(host)) {
      throw new ApiProblem(421, 'HostRefused', `this address is not ${JSON.stringify(host.slice(0, 200))}`);
    }
    const origin = request.get('origin');
    if (origin !== undefined && !isSameHost(origin, host)) {
      throw new ApiProblem(403, 'OriginRefused', 'a page of another site cannot ask here');
    }
    if (request.get('sec-fetch-site') === 'cross-site' && request.get('sec-fetch-mode') !== 'navigate') {
      throw new ApiProblem(403, 'OriginRefused', 'a page of another site cannot ask here');
    }
    const changes = request.method !== 'GET' && request.method !== 'HEAD';
    if (changes && !/^application\/json\s*(?:;|$)/i.test(request.get('content-type') ?? '')) {
      throw new ApiProblem(415, 'MediaTypeRefused', 'expected a body of application/json');
    }
    next();
  };
}

/** With any port: it may be reached through a tunnel. */
function isLoopbackHost(host: string): boolean {
  const name = host.replace(/:\d{1,5}$/, '').toLowerCase();
  return name === 'localhost' || name === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(name);
}

function isSameHost(origin: string, host: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
}
