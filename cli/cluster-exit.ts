import { KindNotServed } from '../controller/adapters/kubernetes/api-error.ts';
import type { ClusterError } from '../controller/model/cluster-error.ts';
import { exitCode } from './terminal.ts';

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
