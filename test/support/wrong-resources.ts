import type { KubernetesObject } from '../../controller/model/kubernetes-object.ts';
import { fullApproval, fullProfile, fullProposal } from './full-resources.ts';

/** Objects with one wrong field each, which the API server and nanoseg itself both have to refuse. */
export const wrongResources: readonly {
  readonly plural: string;
  readonly object: KubernetesObject;
  readonly field: string;
}[] = [
  ...wrong('policyproposals', fullProposal, [
    ['spec', undefined],
    ['spec.scope', 'Cluster'],
    ['spec.workloads', 'Deployment/cart'],
    ['spec.policies', undefined],
    ['spec.policies', 'x'.repeat(512 * 1024 + 1)],
    ['spec.evidence', [1]],
  ]),
  ...wrong('policyapprovals', fullApproval, [
    ['spec', undefined],
    ['spec.digest', 'sha256:abc'],
    ['spec.decision', 'approve'],
    ['spec.proposal', undefined],
    ['spec.expiresAt', 'tomorrow'],
    ['spec.stamp.signature', 'x'],
  ]),
  ...wrong('segmentationprofiles', fullProfile, [
    ['spec.mode', 'Enforce'],
    ['spec.cni', 'flannel'],
    ['spec.learning.window', '5 minutes'],
    ['spec.learning.coverage', 99],
    ['spec.approvals.required', 0],
    ['spec.approvals.identity', 'claimed'],
    ['spec.unusedAfter', 'never'],
    ['spec.scanTargets', '10'],
    ['spec.accepted', [{ port: 443 }]],
  ]),
];

function wrong(plural: string, full: KubernetesObject, changes: readonly (readonly [string, unknown])[]) {
  return changes.map(([field, value]) => {
    const object: KubernetesObject = { ...structuredClone(full), metadata: { name: 'wrong', namespace: 'default' } };
    const steps = field.split('.');
    const last = steps.pop() ?? '';
    // oxlint-disable-next-line typescript/no-explicit-any -- any field of any object
    const parent = steps.reduce<any>((inner, step) => inner[step], object);
    parent[last] = value;
    return { plural, object, field };
  });
}
