import type { Problem } from '../../model/problem.ts';

/** The evidence file cannot be opened, read or written; `problem` names it. */
export class ConnectionFileError extends Error {
  readonly problem: Problem;
  /** Whether it may work later: the disk was full, the file is in use. */
  readonly retryable: boolean;

  constructor(problem: Problem, options: { readonly retryable: boolean; readonly cause?: unknown }) {
    super(`${problem.where}: ${problem.message}`, { cause: options.cause });
    this.name = 'ConnectionFileError';
    this.problem = problem;
    this.retryable = options.retryable;
  }
}
