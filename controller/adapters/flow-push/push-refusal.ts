/** Every reason for which a request is not taken; also a label of metrics. */
export const pushRefusalCodes = [
  'NotFound',
  'MethodNotAllowed',
  'UnsupportedMediaType',
  'Malformed',
  'TooLarge',
  'Unauthenticated',
  'NotPermitted',
  'CannotCheck',
  'OneAtATime',
  'QueueFull',
  'NotReady',
  'NotSaved',
] as const;
export type PushRefusalCode = (typeof pushRefusalCodes)[number];

const statuses: Readonly<Record<PushRefusalCode, number>> = {
  NotFound: 404,
  MethodNotAllowed: 405,
  UnsupportedMediaType: 415,
  Malformed: 400,
  TooLarge: 413,
  Unauthenticated: 401,
  NotPermitted: 403,
  CannotCheck: 503,
  OneAtATime: 429,
  QueueFull: 429,
  NotReady: 503,
  NotSaved: 503,
};

/** A request that is not taken, with the sentence that it is answered with. */
export class PushRefusal extends Error {
  readonly code: PushRefusalCode;
  readonly status: number;
  /** Seconds after which the same request may be tried again; undefined: it would be refused again. */
  readonly retryAfterS: number | undefined;

  constructor(code: PushRefusalCode, message: string, options: { readonly retryAfterS?: number } = {}) {
    super(message);
    this.name = 'PushRefusal';
    this.code = code;
    this.status = statuses[code];
    this.retryAfterS = options.retryAfterS;
  }
}
