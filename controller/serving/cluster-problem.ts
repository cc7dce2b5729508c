import { KindNotServed } from '../adapters/kubernetes/api-error.ts';
import type { ClusterError, ClusterErrorCode } from '../model/cluster-error.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { ProblemCode } from '../model/problem-codes.ts';

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
