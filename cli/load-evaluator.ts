import { readCluster } from '../controller/adapters/workspace/read-cluster.ts';
import type { CniName } from '../controller/model/profile.ts';
import { cniProfile } from '../controller/policy/cni-profiles.ts';
import { indexCluster } from '../controller/policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../controller/policy/evaluate/compile-policies.ts';
import { type Evaluator, evaluator } from '../controller/policy/evaluate/evaluator.ts';
import { warnOfOtherPolicies } from './other-policies.ts';
import { InputError, type Terminal } from './terminal.ts';

/** The evaluator for the cluster and the policies in a directory. Throws InputError with everything that is wrong there. */
export async function loadEvaluator(directory: string, cni: CniName, terminal: Terminal): Promise<Evaluator> {
  const { cluster, problems, otherPolicies } = await readCluster([directory]);
  if (problems.length > 0) throw new InputError(problems);
  warnOfOtherPolicies(otherPolicies, terminal);
  const index = indexCluster(cluster);
  return evaluator(index, compilePolicies(index, cluster.policies), cniProfile(cni, cluster));
}

/** What a person can do about answers that are unknown. */
export function unknownHint(cni: CniName): string {
  return cni === 'generic'
    ? 'Name the network plugin with --cni to decide what plugins do differently; for ipBlocks, read Pod objects with their addresses too.'
    : `Read Pod objects with their addresses too, or look at \`nanoseg explain\`: CNI ${cni} does not settle these.`;
}
