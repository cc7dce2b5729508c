import type { NetworkPolicy } from '../model/network-policy.ts';
import { compilePolicies } from '../policy/evaluate/compile-policies.ts';
import type { Verdict } from '../policy/evaluate/decide.ts';
import { type Evaluation, evaluation } from '../policy/evaluate/evaluation.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import { type SideQuestion, subjectVerdict } from '../policy/subject-verdict.ts';

/** An evaluation remembers every address that it was asked about; after so many questions another takes its place. */
const questionLimit = 20_000;

/** One set of policies, compiled when the first flow asks for it. */
export class PolicySide {
  #evaluation: Evaluation | undefined;
  #questions = 0;

  /** What the policies say to the subject's own side. */
  verdict(question: SideQuestion, world: ProofWorld, policies: () => readonly NetworkPolicy[]): Verdict {
    if (this.#questions >= questionLimit) this.forget();
    this.#questions++;
    this.#evaluation ??= evaluation(world.index, compilePolicies(world.index, policies()), world.cni);
    return subjectVerdict([this.#evaluation], question, world);
  }

  forget(): void {
    this.#evaluation = undefined;
    this.#questions = 0;
  }
}
