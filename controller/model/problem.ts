import type { ProblemCode } from './problem-codes.ts';

/**
 * Something that a user can cause and repair, as a value: what failed, where, and what to do. Codes are stable words
 * that scripts may rely on; `problem-codes.ts` is their registry and docs/problems.md explains each of them.
 */
export interface Problem {
  readonly code: ProblemCode;
  /** One sentence: what failed, on what, what we saw. */
  readonly message: string;
  /** `file:line`, `namespace/kind/name` or a field path; empty when it concerns the whole input. */
  readonly where: string;
}

export function problem(code: ProblemCode, message: string, where = ''): Problem {
  return { code, message, where };
}
