import type { z } from 'zod';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import type { PolicyApproval } from '../../model/policy-approval.ts';
import { type PolicyProposal, resourceApiVersion } from '../../model/policy-proposal.ts';
import { type Problem, problem } from '../../model/problem.ts';
import type { ProblemCode } from '../../model/problem-codes.ts';
import { faultsOf } from '../inventory/faults.ts';
import { approvalSpecSchema, approvalStatusSchema } from './approval-schema.ts';
import { clusterOnlyFields, layerOf, type ProfileLayer } from './profile-layer.ts';
import { profileSpecSchema } from './profile-schema.ts';
import { proposalSpecSchema, proposalStatusSchema } from './proposal-schema.ts';

/** The fields that Kubernetes leaves to the kind; any stored object may have them. */
interface WithFields extends KubernetesObject {
  readonly spec?: unknown;
  readonly status?: unknown;
}

/**
 * A PolicyProposal as it is stored, or everything that is wrong with its spec. A status that does not parse as a whole
 * is left out: the controller makes it anew.
 */
export function parseProposal(object: WithFields): PolicyProposal | Problem[] {
  const kind = 'PolicyProposal';
  const parsed = parseNamespaced(object, kind, proposalSpecSchema);
  if (Array.isArray(parsed)) return parsed;
  const status = proposalStatusSchema.safeParse(object.status);
  return { apiVersion: resourceApiVersion, kind, ...parsed, ...(status.success && { status: status.data }) };
}

/** A PolicyApproval as it is stored, or everything that is wrong with its spec; whether it counts is not asked here. */
export function parseApproval(object: WithFields): PolicyApproval | Problem[] {
  const kind = 'PolicyApproval';
  const parsed = parseNamespaced(object, kind, approvalSpecSchema);
  if (Array.isArray(parsed)) return parsed;
  const status = approvalStatusSchema.safeParse(object.status);
  return { apiVersion: resourceApiVersion, kind, ...parsed, ...(status.success && { status: status.data }) };
}

/**
 * What a SegmentationProfile sets, or everything that is wrong with it. `Namespace`: it is not the cluster's own profile,
 * so that fields which hold for the whole cluster are wrong in it.
 */
export function parseProfile(object: WithFields, scope: 'Cluster' | 'Namespace'): ProfileLayer | Problem[] {
  const wrong = wrongKind(object, 'SegmentationProfile', 'ProfileInvalid');
  if (wrong !== undefined) return [wrong];
  const spec = profileSpecSchema.safeParse(object.spec ?? {});
  if (!spec.success) return faults(object, 'ProfileInvalid', spec.error);
  const layer = layerOf(spec.data);
  const misplaced = scope === 'Namespace' ? clusterOnlyFields(layer) : [];
  if (misplaced.length === 0) return layer;
  return misplaced.map((field) =>
    problem('ProfileInvalid', `${field}: holds for the whole cluster; set it in the cluster's profile`, place(object)),
  );
}

function parseNamespaced<Spec>(
  object: WithFields,
  kind: string,
  schema: z.ZodType<Spec>,
): { readonly metadata: PolicyProposal['metadata']; readonly spec: Spec } | Problem[] {
  const wrong = wrongKind(object, kind, 'ObjectInvalid');
  if (wrong !== undefined) return [wrong];
  const { namespace } = object.metadata;
  if (!namespace) return [problem('ObjectInvalid', 'metadata.namespace: it has none', place(object))];
  const spec = schema.safeParse(object.spec);
  if (!spec.success) return faults(object, 'ObjectInvalid', spec.error);
  return { metadata: { ...object.metadata, namespace }, spec: spec.data };
}

function wrongKind(object: WithFields, kind: string, code: ProblemCode): Problem | undefined {
  if (object.apiVersion === resourceApiVersion && object.kind === kind) return undefined;
  const saw = `${object.apiVersion} ${object.kind}`.slice(0, 200);
  return problem(code, `expected ${resourceApiVersion} ${kind}, got ${saw}`, place(object));
}

function faults(object: WithFields, code: ProblemCode, error: z.ZodError): Problem[] {
  return faultsOf(error).map((fault) => {
    const field = fault.startsWith('[') ? fault : `.${fault}`;
    return problem(code, `spec${field}`, place(object));
  });
}

function place({ kind, metadata }: KubernetesObject): string {
  return [metadata.namespace, kind, metadata.name].filter(Boolean).join('/');
}
