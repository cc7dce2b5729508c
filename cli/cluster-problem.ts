import { KindNotServed } from '../controller/adapters/kubernetes/api-error.ts';
import type { ClusterError, ClusterErrorCode } from '../controller/model/cluster-error.ts';
import { type Problem, problem } from '../controller/model/problem.ts';
import type { ProblemCode } from '../controller/model/problem-codes.ts';
import { exitCode } from './terminal.ts';

const problemCodeOf: Readonly<Record<ClusterErrorCode, ProblemCode>> = {
  Conflict: 'ObjectChanged',
  AlreadyExists: 'ObjectChanged',
  NotFound: 'ObjectMissing',
  Forbidden: 'NotPermitted',
  Unauthorized: 'NotAuthenticated',
  Invalid: 'RequestRefused',
  Expired: 'ClusterUnreachable',
  TooManyRequests: 'ClusterUnreachable',
  Unavailable: 'ClusterUnreachable',
};

/** What failed in the cluster, for the person who asked. */
export function clusterProblem(error: ClusterError): Problem {
  if (!(error instanceof KindNotServed)) return problem(problemCodeOf[error.code], error.message);
  return problem('NotInstalled', `nanoseg is not installed in this cluster: ${error.message}`);
}

/** A request that the cluster does not permit or cannot take ends with another code than one that is wrong. */
export function exitCodeOf(error: ClusterError): number {
  if (error instanceof KindNotServed) return exitCode.cluster;
  switch (error.code) {
    case 'Conflict':
    case 'AlreadyExists':
    case 'NotFound':
    case 'Invalid':
      return exitCode.input;
    case 'Forbidden':
    case 'Unauthorized':
    case 'Expired':
    case 'TooManyRequests':
    case 'Unavailable':
      return exitCode.cluster;
  }
}
