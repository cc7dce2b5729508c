import type { NetworkPolicy } from '../model/network-policy.ts';
import { objectName } from '../model/object-name.ts';
import { type Problem, problem } from '../model/problem.ts';
import type { WorkloadKey } from '../model/workload.ts';
import type { ClusterNaming } from './cluster-naming.ts';
import { managedLabels, orderedSelector } from './dialects/ordered.ts';
import { learningNamePrefix } from './policy-names.ts';
import { renderYaml } from './render-yaml.ts';

/** RFC 3339: when a learning allowance has to be gone. */
export const expiresAnnotation = 'nanoseg.io/expires';

export interface LearningAllowance {
  readonly policy: NetworkPolicy;
  readonly yaml: string;
}

/**
 * A policy that lets one new workload of a closed namespace talk to everybody, and everybody to it, until `expires` (RFC
 * 3339). Only where a selector means exactly that workload, so that nobody else is opened with it.
 */
export function learningAllowance(
  key: WorkloadKey,
  naming: ClusterNaming,
  expires: string,
): LearningAllowance | { readonly problem: Problem } {
  const refuse = (why: string) => ({
    problem: problem('NotExpressible', `no learning allowance for ${key}: ${why}`, key),
  });
  const workload = naming.cluster.workloads.get(key);
  if (!workload) return refuse('it is not in the inventory');
  if (workload.hostNetwork) return refuse('its pods use the network of their node, where policies do not select them');
  const choice = naming.choiceOf(key);
  switch (choice.kind) {
    case 'none':
      return refuse('its pods have no lasting label');
    case 'shared': {
      const others = choice.selects.filter((other) => other !== key);
      return refuse(`no label tells its pods from those of ${others.join(', ')}, which would be opened too`);
    }
    case 'exact':
      break;
  }
  const policy: NetworkPolicy = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: {
      name: learningName(key, naming),
      namespace: workload.namespace,
      labels: managedLabels,
      annotations: { [expiresAnnotation]: expires },
    },
    spec: {
      podSelector: orderedSelector(choice.selector),
      policyTypes: ['Ingress', 'Egress'],
      ingress: [{}],
      egress: [{}],
    },
  };
  const head = [
    `nanoseg: ALLOWS EVERYTHING from and to ${key} until ${expires}, so that its traffic can be learned`,
    'it is removed then, or as soon as a policy of its own is in force',
  ];
  return { policy, yaml: renderYaml(policy, new Map([[policy, head]])) };
}

/** After the workload's own policy, whose name nobody else has. */
function learningName(key: WorkloadKey, { policyNames }: ClusterNaming): string {
  const own = policyNames.get(key) as string;
  return objectName(`${learningNamePrefix}${own.slice('nanoseg-'.length)}`);
}
