import type { Problem } from '../controller/model/problem.ts';

/** Exit codes of every command, listed in `nanoseg --help` and docs/cli.md. */
export const exitCode = {
  ok: 0,
  /** The answer is a finding: traffic would be denied, or two directories differ. */
  finding: 1,
  /** The input or the command line cannot be used. */
  input: 2,
  /** A proof failed: nothing of it may be applied. */
  proof: 3,
  /** The cluster cannot be reached, nanoseg is not installed in it, or it does not permit this. */
  cluster: 4,
} as const;

/** Where a command writes and how it ends; tests pass their own. */
export interface Terminal {
  /** Results; ends with a newline of its own. */
  readonly out: (text: string) => void;
  /** Progress, warnings and errors. */
  readonly err: (text: string) => void;
  /** Whether standard error is a terminal, so that progress may be drawn and redrawn. */
  readonly interactive: boolean;
  /** Width of the terminal in columns. */
  readonly columns: number;
  /** Called at most once; without it the command ends with `ok`. */
  readonly exit: (code: number) => void;
  /** Puts a question to the person in front of the terminal; absent where nobody is there to answer. */
  readonly ask?: (question: string) => Promise<string>;
  /** Aborts when the person ends the command, which until then goes on by itself; absent: it never is. */
  readonly interrupted?: () => AbortSignal;
  /** What people type to run this, `kubectl nanoseg` for the plugin; absent: `nanoseg`. */
  readonly program?: string;
}

/** Thrown by a command whose input cannot be used; `main` prints the problems and exits with `exitCode.input`. */
export class InputError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map(({ message }) => message).join('\n'));
    this.name = 'InputError';
    this.problems = problems;
  }
}
