import { join } from 'node:path';
import { ClusterError } from '../../model/cluster-error.ts';
import type { ObjectRef } from '../../model/kubernetes-object.ts';
import { resourceApiVersion } from '../../model/policy-proposal.ts';

/** Kinds that nanoseg keeps in a workspace, one object a file, with the folder that they are in. */
export const ownFolders = {
  PolicyProposal: 'proposals',
  PolicyApproval: 'approvals',
  NetworkPolicy: 'policies',
} as const;
export type OwnKind = keyof typeof ownFolders;

export const ownApiVersions = {
  PolicyProposal: resourceApiVersion,
  PolicyApproval: resourceApiVersion,
  NetworkPolicy: 'networking.k8s.io/v1',
} as const satisfies Record<OwnKind, string>;

export function isOwnKind(kind: string): kind is OwnKind {
  return Object.hasOwn(ownFolders, kind);
}

/** Where everything is in a workspace directory; docs/workspace.md says it to people. */
export interface WorkspacePaths {
  readonly root: string;
  /** Manifests and dumps of the cluster; nanoseg only reads them. */
  readonly cluster: string;
  readonly profiles: string;
  /** What people set on objects of the two folders above, which nanoseg does not write. */
  readonly annotations: string;
  readonly audit: string;
  /** Where the audit log ends, so that a log which was cut is found. */
  readonly auditHead: string;
  /** What can be lost: it is made anew, and is no matter for Git. */
  readonly volatile: string;
  /** The address of the page that a controller serves, if it does. */
  readonly page: string;
}

export function workspacePaths(root: string): WorkspacePaths {
  return {
    root,
    cluster: join(root, 'cluster'),
    profiles: join(root, 'profiles'),
    annotations: join(root, 'annotations'),
    audit: join(root, 'audit.jsonl'),
    auditHead: join(root, 'audit.head.json'),
    volatile: join(root, '.nanoseg'),
    page: join(root, '.nanoseg', 'page'),
  };
}

/** The file of one object that nanoseg keeps. Throws ClusterError for a name that could lead out of its folder. */
export function ownFile(root: string, kind: OwnKind, namespace: string, name: string): string {
  return join(root, ownFolders[kind], checked(namespace, 'namespace'), `${checked(name, 'name')}.yaml`);
}

/** `status.live` of a proposal: what changes with every flow. */
export function liveFile(root: string, namespace: string, name: string): string {
  return join(root, '.nanoseg', 'live', checked(namespace, 'namespace'), `${checked(name, 'name')}.json`);
}

/** The status of a profile: the file of the profile itself belongs to the person who wrote it. */
export function profileStatusFile(root: string, namespace: string, name: string): string {
  return join(root, '.nanoseg', 'profile-status', checked(namespace, 'namespace'), `${checked(name, 'name')}.json`);
}

export function profileFile(root: string, namespace: string, name: string): string {
  return join(root, 'profiles', checked(namespace, 'namespace'), `${checked(name, 'name')}.yaml`);
}

/** Annotations that were set on an object of cluster/ or profiles/. */
export function annotationFile(root: string, { kind, namespace, name }: ObjectRef): string {
  const file = `${checked(name, 'name')}.yaml`;
  return namespace === ''
    ? join(root, 'annotations', kind, file)
    : join(root, 'annotations', kind, checked(namespace, 'namespace'), file);
}

/** What Kubernetes lets objects be called: never empty, never a path. File names end at 255 bytes. */
export function isFileName(text: string): boolean {
  return /^[a-z0-9](?:[-a-z0-9.]{0,238}[a-z0-9])?$/.test(text);
}

function checked(text: string, field: string): string {
  if (isFileName(text)) return text;
  const seen = JSON.stringify(text.slice(0, 80));
  throw new ClusterError('Invalid', `metadata.${field}: ${seen} is not a name in Kubernetes`, { status: 422 });
}
