import type { Labels } from './label-selector.ts';

/**
 * Labels that controllers write onto pods with values of one rollout, one replica or one run: a selector with one of
 * them stops matching at the next. From the well-known labels of Kubernetes and Argo Rollouts.
 */
export const generatedLabelKeys: readonly string[] = [
  'pod-template-hash',
  'pod-template-generation',
  'controller-revision-hash',
  'statefulset.kubernetes.io/pod-name',
  'apps.kubernetes.io/pod-index',
  'controller-uid',
  'job-name',
  'job-completion-index',
  'rollouts-pod-template-hash',
];

/** Every key under this prefix is written by the Job controller (job-name, controller-uid, job-completion-index, …). */
const generatedPrefix = 'batch.kubernetes.io/';

const generated: ReadonlySet<string> = new Set(generatedLabelKeys);

export function isGeneratedLabel(key: string): boolean {
  return generated.has(key) || key.startsWith(generatedPrefix);
}

export function withoutGeneratedLabels(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([key]) => !isGeneratedLabel(key)));
}
