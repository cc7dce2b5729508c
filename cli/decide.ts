import { type DecisionRequest, type DecisionResult, recordDecision } from '../controller/serving/decide.ts';
import { ClusterError } from '../controller/model/cluster-error.ts';
import type { Problem } from '../controller/model/problem.ts';
import { clusterProblem } from '../controller/serving/cluster-problem.ts';
import { exitCodeOf } from './cluster-exit.ts';
import type { Connection } from './connection.ts';
import { exitCode } from './terminal.ts';

export interface DecisionOutcome {
  readonly request: DecisionRequest;
  /** Name of the PolicyApproval; undefined: none was created. */
  readonly approval: string | undefined;
  /** `failed`: nothing was decided. */
  readonly result: DecisionResult['result'] | 'failed';
  /** One sentence. */
  readonly message: string;
  /** Of `failed`. */
  readonly failure?: { readonly problem: Problem; readonly exitCode: number };
}

/** Writes the decision down; that one cannot be is an outcome, so that the others of the same command are decided all the same. */
export async function tryToDecide(
  { store, claimant }: Connection,
  request: DecisionRequest,
): Promise<DecisionOutcome | { readonly request: DecisionRequest; readonly approval: string }> {
  try {
    const made = await recordDecision(store, claimant, request);
    return typeof made === 'string' ? { request, approval: made } : failed(request, made, exitCode.input);
  } catch (error) {
    if (error instanceof ClusterError) return failed(request, clusterProblem(error), exitCodeOf(error));
    throw error;
  }
}

function failed(request: DecisionRequest, cause: Problem, code: number): DecisionOutcome {
  const failure = { problem: cause, exitCode: code };
  return { request, approval: undefined, result: 'failed', message: cause.message, failure };
}
