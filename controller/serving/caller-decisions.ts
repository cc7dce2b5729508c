import { userInfo } from 'node:os';
import { ApiProblem } from '../adapters/http/api/api-problem.ts';
import type { WantedDecision } from '../adapters/http/api/api-source.ts';
import { clusterProblem } from './cluster-problem.ts';
import { outcomeOf, recordDecision } from './decide.ts';
import { ClusterError, type ClusterErrorCode } from '../model/cluster-error.ts';
import type { ClusterView, ObjectStore } from '../ports.ts';
import { effectiveProfileIn } from '../view/effective-profile.ts';
import type { DecisionAnswer } from '../view/proposal-shape.ts';

export interface CallerStore {
  /** With the rights of the caller, and with no others. */
  readonly store: ObjectStore;
  readonly close: () => Promise<void>;
}

/** A browser waits no longer than this for what becomes of a decision. */
const waitMs = 5_000;

/** Writes decisions of callers down; what is claimed is claimed for them. Rejects with ApiProblem. */
export function callerDecisions(
  view: ClusterView,
  storeOf: (token: string | undefined) => CallerStore,
): (wanted: WantedDecision) => Promise<DecisionAnswer> {
  return async ({ proposal, decision, input, caller, token }) => {
    const { digest, reason, expiresAt } = input;
    const effective = effectiveProfileIn(view, proposal.metadata.namespace);
    const { store, close } = storeOf(token);
    try {
      const request = { proposal, decision, digest, reason, expiresAt, effective };
      const made = await recordDecision(store, async () => caller.user, request);
      if (typeof made !== 'string') throw new ApiProblem(409, made.code, made.message);
      return { approval: made, decision, digest, ...(await outcomeOf(store, request, made, waitMs)) };
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      const { code, message, where } = clusterProblem(error);
      throw new ApiProblem(statusOf[error.code], code, message, { where });
    } finally {
      await close();
    }
  };
}

const statusOf: Readonly<Record<ClusterErrorCode, number>> = {
  Conflict: 409,
  AlreadyExists: 409,
  NotFound: 404,
  Forbidden: 403,
  Unauthorized: 401,
  Invalid: 400,
  Expired: 503,
  TooManyRequests: 503,
  Unavailable: 503,
};

/** Whom a decision in a workspace is claimed for: the user of the machine. */
export function machineUser(): string {
  return userInfo().username;
}
