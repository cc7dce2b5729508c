import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject, ObjectMeta, ObjectRef } from '../../model/kubernetes-object.ts';
import type { Problem } from '../../model/problem.ts';
import { networkPolicyFromObject } from '../inventory/network-policy.ts';
import { parseApproval, parseProposal } from '../resources/parse-resources.ts';
import type { OwnRef } from './own-objects.ts';
import type { StoredObject } from './stored-object.ts';

/** Refusals of a workspace, with the codes that an API server has for them. */
export function invalid(message: string): ClusterError {
  return new ClusterError('Invalid', message, { status: 422 });
}

export function missing(ref: ObjectRef): ClusterError {
  return new ClusterError('NotFound', `there is no ${words(ref)}`, { status: 404 });
}

export function alreadyThere(ref: ObjectRef, where: string): ClusterError {
  return new ClusterError('AlreadyExists', `there is a ${words(ref)} already, at ${where}`, { status: 409 });
}

export function readOnly(ref: ObjectRef, where: string): ClusterError {
  const message = `${words(ref)} stands in ${where}, which nanoseg does not write: change it there`;
  return new ClusterError('Forbidden', message, { status: 403 });
}

export function notManaged(ref: ObjectRef, where: string): ClusterError {
  return new ClusterError('Conflict', `${words(ref)} at ${where} is not managed by nanoseg`, { status: 409 });
}

/** A file that is there and cannot be read may hold a person's work: it is neither used nor written over. */
export function brokenFile(problems: readonly Problem[]): ClusterError {
  const [first] = problems;
  return invalid(`${first?.where ?? ''}: ${first?.message ?? ''}; correct the file or take it away`);
}

/** An update without a version could undo what it has not seen. */
export function refuseStale(wanted: ObjectMeta, stored: ObjectMeta, ref: ObjectRef): void {
  if (wanted.resourceVersion === undefined) throw invalid('metadata.resourceVersion: an update must have one');
  const sameObject = wanted.uid === undefined || wanted.uid === stored.uid;
  if (sameObject && wanted.resourceVersion === stored.resourceVersion) return;
  throw new ClusterError('Conflict', `${words(ref)} has changed since it was read`, { status: 409 });
}

/** What an API server with nanoseg's resources would refuse. */
export function refuseFaults(object: StoredObject, { kind, namespace, name }: OwnRef): void {
  const problems = faultsIn(object as KubernetesObject, { kind, namespace, name });
  if (problems.length > 0) throw invalid(problems.map(({ message }) => message).join('; '));
}

function faultsIn(object: KubernetesObject, { kind, namespace, name }: ObjectRef): readonly Problem[] {
  switch (kind) {
    case 'NetworkPolicy': {
      const body = object as unknown as Readonly<Record<string, unknown>>;
      const reading = networkPolicyFromObject({
        apiVersion: object.apiVersion,
        kind,
        namespace,
        name,
        body,
        where: '',
      });
      return 'problems' in reading ? reading.problems : [];
    }
    case 'PolicyProposal':
      return problemsOf(parseProposal(object));
    case 'PolicyApproval':
      return problemsOf(parseApproval(object));
    default:
      return [];
  }
}

function problemsOf(parsed: object): readonly Problem[] {
  return Array.isArray(parsed) ? (parsed as Problem[]) : [];
}

function words({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
}
