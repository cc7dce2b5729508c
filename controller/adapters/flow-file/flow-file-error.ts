import type { Problem } from '../../model/problem.ts';

/** Thrown by a flow file that cannot be used at all; single bad records are counted in the batches instead. */
export class FlowFileError extends Error {
  readonly problem: Problem;
  /** Whether the same file may be read later, as one that is not there yet. */
  readonly retryable: boolean;

  constructor(problem: Problem, options?: ErrorOptions) {
    super(problem.message, options);
    this.name = 'FlowFileError';
    this.problem = problem;
    this.retryable = problem.code === 'InputNotFound';
  }
}
