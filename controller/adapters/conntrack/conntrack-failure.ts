import { type Problem, problem } from '../../model/problem.ts';
import { SystemCallError } from './netlink-socket.ts';

/** Connection tracking cannot be read here, for a reason that a person can repair; asking again does not help. */
export class ConntrackFailure extends Error {
  readonly problem: Problem;
  readonly retryable = false;

  constructor(found: Problem, cause: unknown) {
    super(found.message, { cause });
    this.name = 'ConntrackFailure';
    this.problem = found;
  }
}

const [notPermitted, noAccess, noProtocol, noFamily] = [1, 13, 93, 97] as const;

/** What a failed system call means for people; anything else as it is. */
export function tableFailure(error: unknown): unknown {
  if (!(error instanceof SystemCallError)) return error;
  switch (error.errno) {
    case notPermitted:
    case noAccess:
      return new ConntrackFailure(
        problem(
          'ConntrackNotPermitted',
          `the kernel does not let this process read connection tracking (${error.message})`,
        ),
        error,
      );
    case noProtocol:
    case noFamily:
      return new ConntrackFailure(
        problem('ConntrackMissing', `the kernel has no netlink interface to netfilter (${error.message})`),
        error,
      );
    default:
      return error;
  }
}
