import { z } from 'zod';
import type { ApprovalSpec } from '../../model/policy-approval.ts';

/**
 * What nanoseg reads of an `AdmissionReview` of admission.k8s.io/v1:
 * https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
 */
const reviewSchema = z.object({
  apiVersion: z.literal('admission.k8s.io/v1'),
  kind: z.literal('AdmissionReview'),
  request: z.object({
    uid: z.string().min(1),
    resource: z.object({ group: z.string(), resource: z.string() }),
    subResource: z.string().optional(),
    namespace: z.string().optional(),
    operation: z.enum(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
    userInfo: z.object({ username: z.string().optional(), groups: z.array(z.string()).nullish() }),
    object: z.unknown().optional(),
    oldObject: z.unknown().optional(),
    dryRun: z.boolean().nullish(),
  }),
});

/** One request to the API server, as it asks about it. */
export interface AdmissionRequest {
  /** Of this one call: the API server gives every webhook that it asks another. */
  readonly uid: string;
  /** `policyapprovals`, or `policyapprovals/status`. */
  readonly resource: string;
  readonly namespace: string;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly user: string;
  readonly groups: readonly string[];
  readonly object: unknown;
  readonly oldObject: unknown;
  readonly dryRun: boolean;
}

export type AdmissionAnswer =
  | { readonly allowed: true; readonly patch?: readonly PatchOperation[]; readonly warnings?: readonly string[] }
  /** `message` is a sentence that the user reads. */
  | { readonly allowed: false; readonly status: number; readonly message: string };

/** RFC 6902. */
export type PatchOperation =
  | { readonly op: 'add'; readonly path: string; readonly value: unknown }
  | { readonly op: 'remove'; readonly path: string };

/** Undefined for what is no AdmissionReview about resources of nanoseg. */
export function readAdmissionReview(body: unknown): AdmissionRequest | undefined {
  const request = reviewSchema.safeParse(body).data?.request;
  if (request === undefined || request.resource.group !== 'nanoseg.io') return undefined;
  const { uid, resource, subResource = '', namespace = '', operation, userInfo, object, oldObject } = request;
  return {
    uid,
    resource: subResource === '' ? resource.resource : `${resource.resource}/${subResource}`,
    namespace,
    operation,
    user: userInfo.username ?? '',
    groups: userInfo.groups ?? [],
    object,
    oldObject,
    dryRun: request.dryRun === true,
  };
}

export function writeAdmissionReview(uid: string, answer: AdmissionAnswer): object {
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: { uid, ...response(answer) } };
}

function response(answer: AdmissionAnswer): object {
  if (!answer.allowed) {
    const { status, message } = answer;
    return { allowed: false, status: { code: status, reason: status === 403 ? 'Forbidden' : 'Invalid', message } };
  }
  const { patch, warnings } = answer;
  return {
    allowed: true,
    ...(warnings === undefined ? {} : { warnings }),
    ...(patch === undefined
      ? {}
      : { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') }),
  };
}

const text = z.string();
const specSchema = z.object({
  proposal: text,
  digest: text,
  decision: z.enum(['Approve', 'Reject', 'Rollback', 'Retire']),
  reason: text.exactOptional(),
  expiresAt: text.exactOptional(),
  claim: z.object({ user: text, time: text }).exactOptional(),
  stamp: z
    .object({ user: text, groups: z.array(text), time: text, nonce: text, keyId: text, signature: text })
    .exactOptional(),
});
const objectSchema = z.object({ spec: specSchema });
const metadataSchema = z.object({
  metadata: z.object({
    labels: z.record(text, text).optional(),
    annotations: z.record(text, text).optional(),
  }),
});

/** The decision in an object of a request; undefined when it lacks what every decision has. */
export function approvalSpecOf(object: unknown): ApprovalSpec | undefined {
  return objectSchema.safeParse(object).data?.spec;
}

/** The decision without the fields that only the webhook may fill: a client's may be of any form. */
export function requestedSpecOf(object: unknown): ApprovalSpec | undefined {
  const requested = z.object({ spec: specSchema.omit({ stamp: true, claim: true }) });
  return requested.safeParse(object).data?.spec;
}

/** Labels and annotations of nanoseg itself, in the order of their names. */
export function ownMetadataOf(object: unknown): readonly (readonly [string, string])[] {
  const { labels = {}, annotations = {} } = metadataSchema.safeParse(object).data?.metadata ?? {};
  return [...Object.entries(labels), ...Object.entries(annotations)]
    .filter(([name]) => /(^|\.)nanoseg\.io\//.test(name))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
