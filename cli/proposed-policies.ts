import { isNetworkPolicy, networkPolicyFromObject } from '../controller/adapters/inventory/network-policy.ts';
import { parseManifests } from '../controller/adapters/workspace/parse-manifests.ts';
import type { NetworkPolicy } from '../controller/model/network-policy.ts';
import { type Problem, problem } from '../controller/model/problem.ts';

/** The NetworkPolicies that a text of policies means, or everything that is wrong with it. */
export function proposedPolicies(
  text: string,
  origin: string,
  namespace: string,
): { readonly policies: readonly NetworkPolicy[]; readonly problems: readonly Problem[] } {
  const { objects, problems: broken } = parseManifests(text, origin);
  const policies: NetworkPolicy[] = [];
  const problems: Problem[] = [...broken];
  for (const object of objects) {
    if (!isNetworkPolicy(object)) {
      problems.push(problem('EditUnusable', `${object.kind} ${object.name} is no NetworkPolicy`, object.where));
      continue;
    }
    const reading = networkPolicyFromObject(object);
    if ('problems' in reading) problems.push(...reading.problems);
    else if (reading.policy.metadata.namespace !== namespace) {
      const message = `NetworkPolicy ${object.name} is in namespace ${reading.policy.metadata.namespace}, the proposal in ${namespace}`;
      problems.push(problem('EditUnusable', message, object.where));
    } else policies.push(reading.policy);
  }
  return { policies, problems };
}
