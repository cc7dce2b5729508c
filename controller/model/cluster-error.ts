/** What can go wrong with a request to a cluster or a workspace. */
export type ClusterErrorCode =
  /** The object changed since it was read, or another field manager owns a field. */
  | 'Conflict'
  | 'AlreadyExists'
  | 'NotFound'
  /** The user lacks a right; the message names it. */
  | 'Forbidden'
  | 'Unauthorized'
  /** The server refuses the object; the message names the fields. */
  | 'Invalid'
  /** A list or watch position is too old (410). */
  | 'Expired'
  /** The server asks to come back later (429). */
  | 'TooManyRequests'
  /** Not reachable, timed out, or an internal error of the server. */
  | 'Unavailable';

/** A request that failed, translated at the adapter; nobody else reads status codes or bodies. */
export class ClusterError extends Error {
  readonly code: ClusterErrorCode;
  /** HTTP status; 0 where there was none. */
  readonly status: number;
  /** Whether the same request may succeed later without anybody changing anything. */
  readonly retryable: boolean;
  /** As the server asks, or undefined. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ClusterErrorCode,
    message: string,
    details: { readonly status?: number; readonly retryAfterMs?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'ClusterError';
    this.code = code;
    this.status = details.status ?? 0;
    this.retryable = code === 'Unavailable' || code === 'TooManyRequests' || code === 'Expired';
    this.retryAfterMs = details.retryAfterMs;
  }
}
