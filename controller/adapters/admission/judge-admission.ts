import { isDeepStrictEqual } from 'node:util';
import {
  type AdmissionAnswer,
  type AdmissionRequest,
  approvalSpecOf,
  ownMetadataOf,
  type PatchOperation,
  requestedSpecOf,
} from './admission-review.ts';
import {
  dryRunNonce,
  type StampingKey,
  stampApproval,
  type VerificationKeys,
  verifySignature,
  verifyStamp,
} from './approval-stamp.ts';

/** A stamp is as old as the request that carries it; this much is left for slow webhooks and differing clocks. */
const freshMs = 60_000;
const allowed: AdmissionAnswer = { allowed: true };

/** Puts the stamp of whoever asks in the place of anything that the request carries there. */
export function stampRequest(request: AdmissionRequest, key: StampingKey, nowMs: number): AdmissionAnswer {
  if (request.resource !== 'policyapprovals' || request.operation !== 'CREATE') return allowed;
  const spec = requestedSpecOf(request.object);
  // the API server's own check of the fields comes next and says better what is wrong
  if (spec === undefined) return allowed;
  const nonce = request.dryRun ? dryRunNonce(request.uid) : request.uid;
  const stamp = stampApproval(
    request.namespace,
    spec,
    { user: request.user, groups: request.groups, nonce },
    key,
    nowMs,
  );
  const patch: PatchOperation[] = [{ op: 'add', path: '/spec/stamp', value: stamp }];
  if (!carries(request.object, 'claim')) return { allowed: true, patch };
  return {
    allowed: true,
    patch: [...patch, { op: 'remove', path: '/spec/claim' }],
    warnings: ['spec.claim was left out: in this cluster approvals are stamped with the user who creates them'],
  };
}

/** Lets only stamped decisions in, and no change to them afterwards. */
export function validateRequest(
  request: AdmissionRequest,
  keys: VerificationKeys,
  controllerUser: string,
  nowMs: number,
): AdmissionAnswer {
  switch (request.operation) {
    case 'CREATE':
      return validateCreation(request, keys, controllerUser, nowMs);
    case 'UPDATE':
      return validateUpdate(request, controllerUser);
    case 'DELETE':
    case 'CONNECT':
      return allowed;
  }
}

/**
 * The API server asks the stamping and the validating webhook with different uids, so that the stamp is bound to the
 * request by what both are told: the user with all groups, the decision, and the time.
 */
function validateCreation(
  request: AdmissionRequest,
  keys: VerificationKeys,
  controllerUser: string,
  nowMs: number,
): AdmissionAnswer {
  const { namespace, user, groups, dryRun } = request;
  if (user === controllerUser)
    return forbidden(`${user} is nanoseg's controller, which may not decide anything itself`);
  const spec = approvalSpecOf(request.object);
  if (spec === undefined) {
    return invalid(
      'spec: expected proposal, digest, a decision (Approve, Reject, Rollback, Retire) and a complete stamp',
    );
  }
  const verdict = dryRun ? verifySignature(namespace, spec, keys) : verifyStamp(namespace, spec, keys);
  if (verdict !== 'valid') return forbidden(`the approval cannot be accepted: ${verdict}; create it again`);
  const { stamp } = spec;
  if (stamp?.user !== user || !isDeepStrictEqual(stamp.groups, groups)) {
    return forbidden(
      `the approval is stamped for ${JSON.stringify(stamp?.user)}, and ${JSON.stringify(user)} creates it`,
    );
  }
  if (!(Math.abs(nowMs - Date.parse(stamp.time)) <= freshMs)) {
    return forbidden(`the stamp is of ${stamp.time}, too far from now; create the approval again`);
  }
  if (spec.claim !== undefined) return invalid('spec.claim: an approval that is stamped has no claim');
  return allowed;
}

function validateUpdate(
  { resource, object, oldObject, user }: AdmissionRequest,
  controllerUser: string,
): AdmissionAnswer {
  if (resource !== 'policyapprovals') {
    if (user === controllerUser) return allowed;
    return forbidden(
      `the status of an approval is nanoseg's to write, and ${JSON.stringify(user)} is not its controller`,
    );
  }
  const isSame =
    isDeepStrictEqual(specOf(object), specOf(oldObject)) &&
    isDeepStrictEqual(ownMetadataOf(object), ownMetadataOf(oldObject));
  return isSame ? allowed : forbidden('approvals are immutable; create another one');
}

function specOf(object: unknown): unknown {
  return isRecord(object) ? object['spec'] : undefined;
}

function carries(object: unknown, field: string): boolean {
  const spec = specOf(object);
  return isRecord(spec) && Object.hasOwn(spec, field);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function forbidden(message: string): AdmissionAnswer {
  return { allowed: false, status: 403, message };
}

function invalid(message: string): AdmissionAnswer {
  return { allowed: false, status: 422, message };
}
