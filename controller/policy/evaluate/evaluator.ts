import type { PolicyProtocol } from '../../model/protocol.ts';
import type { WorkloadKey } from '../../model/workload.ts';
import type { CniProfile } from '../cni-profiles.ts';
import { type Admission, admits } from './admits.ts';
import type { ClusterIndex } from './cluster-index.ts';
import type { CompiledPolicies, Direction } from './compile-policies.ts';
import { type Connectivity, connectivity } from './connectivity.ts';
import { type Decision, decide } from './decide.ts';
import { type PairDifference, difference } from './difference.ts';
import { type Answer, between, type Evaluation, evaluation } from './evaluation.ts';
import type { Party } from './views.ts';

/** Answers about one set of policies; see `Evaluation` for what an answer about a workload means. */
export interface Evaluator {
  readonly evaluation: Evaluation;
  /** Throws RangeError for a workload that the cluster does not have. */
  decide(source: Party, destination: Party, protocol: PolicyProtocol, port: number): Decision;
  between(source: Party, destination: Party): Answer;
  admits(direction: Direction, workload: WorkloadKey): 'not-isolated' | Admission[];
  connectivity(): Iterable<Connectivity>;
  /** How connectivity differs from what it was. */
  differenceFrom(before: Evaluator): Iterable<PairDifference>;
}

export function evaluator(index: ClusterIndex, compiled: CompiledPolicies, cni: CniProfile): Evaluator {
  const world = evaluation(index, compiled, cni);
  return {
    evaluation: world,
    decide: (source, destination, protocol, port) => decide(world, source, destination, protocol, port),
    between: (source, destination) => between(world, source, destination),
    admits: (direction, workload) => admits(world, direction, workload),
    connectivity: () => connectivity(world),
    differenceFrom: (before) => difference(before.evaluation, world),
  };
}
