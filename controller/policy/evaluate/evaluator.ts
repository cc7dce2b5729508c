import type { PolicyProtocol } from '../../model/protocol.ts';
import type { WorkloadKey } from '../../model/workload.ts';
import type { CniProfile } from '../cni-profiles.ts';
import { type Admission, admits } from './admits.ts';
import type { ClusterIndex } from './cluster-index.ts';
import type { CompiledPolicies, Direction } from './compile-policies.ts';
import { type Decision, decide } from './decide.ts';
import { type Answer, between, evaluation } from './evaluation.ts';
import type { Party } from './views.ts';

/** Answers about one set of policies; see `Evaluation` for what an answer about a workload means. */
export interface Evaluator {
  /** Throws RangeError for a workload that the cluster does not have. */
  decide(source: Party, destination: Party, protocol: PolicyProtocol, port: number): Decision;
  between(source: Party, destination: Party): Answer;
  admits(direction: Direction, workload: WorkloadKey): 'not-isolated' | Admission[];
}

export function evaluator(index: ClusterIndex, compiled: CompiledPolicies, cni: CniProfile): Evaluator {
  const world = evaluation(index, compiled, cni);
  return {
    decide: (source, destination, protocol, port) => decide(world, source, destination, protocol, port),
    between: (source, destination) => between(world, source, destination),
    admits: (direction, workload) => admits(world, direction, workload),
  };
}
