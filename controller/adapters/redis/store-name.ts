import { createHash } from 'node:crypto';

export interface Surroundings {
  /** In a cluster the pod's name. */
  readonly hostname: string;
  /** nanoseg's own namespace. */
  readonly namespace: string;
  /** Full path of the workspace directory, where there is one. */
  readonly workspace: string | undefined;
}

/** What a Deployment adds to its name for a pod: the hash of the template, and five letters, without vowels. */
const generated = /-[bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}$/;

/**
 * The name that evidence has in Redis where none is given: it has to be the same after a restart, and another one for each
 * controller that observes. A pod of a StatefulSet has such a name; one of a Deployment is called as the Deployment, so that
 * a second replica is refused and not taken for the first. A workspace is its directory on this machine.
 */
export function storeName({ hostname, namespace, workspace }: Surroundings): string {
  if (workspace === undefined) return `${namespace}/${hostname.replace(generated, '')}`;
  return workspaceName(hostname, workspace);
}

/** The name that all processes share which count together, where none is given. */
export function sharedName({ hostname, namespace, workspace }: Surroundings): string {
  return workspace === undefined ? namespace : workspaceName(hostname, workspace);
}

function workspaceName(hostname: string, workspace: string): string {
  const digest = createHash('sha256').update(workspace).digest('hex');
  return `workspace/${hostname}/${digest.slice(0, 12)}`;
}
