import type { ProblemCode } from '../../../model/problem-codes.ts';
import type { ApiError } from '../../../view/api-shape.ts';

/** What only a request over HTTP can get wrong; docs/api.md explains each. */
export const requestCodes = [
  'NotReady',
  'NoSuchPath',
  'MethodNotAllowed',
  'HostRefused',
  'OriginRefused',
  'MediaTypeRefused',
  'BodyTooLarge',
  'TooManyRequests',
  'TooManyStreams',
  'InternalError',
] as const;
export type RequestCode = (typeof requestCodes)[number];

/** Ends a request with a status and an error in JSON. */
export class ApiProblem extends Error {
  readonly status: number;
  readonly body: ApiError;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    code: ProblemCode | RequestCode,
    message: string,
    { where, headers = {} }: { readonly where?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(message);
    this.name = 'ApiProblem';
    this.status = status;
    this.body = { code, message, ...(where !== undefined && where !== '' && { where }) };
    this.headers = headers;
  }
}
