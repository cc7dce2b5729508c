import type { Problem } from '../../model/problem.ts';

/** Evidence in Redis cannot be opened, read or written; `problem` says where and why. */
export class RedisStoreError extends Error {
  readonly problem: Problem;
  /** Whether it may work later without anybody doing anything about the evidence: the server restarts, fails over, is full. */
  readonly retryable: boolean;

  constructor(problem: Problem, options: { readonly retryable: boolean; readonly cause?: unknown }) {
    super(`${problem.where}: ${problem.message}`, { cause: options.cause });
    this.name = 'RedisStoreError';
    this.problem = problem;
    this.retryable = options.retryable;
  }
}
