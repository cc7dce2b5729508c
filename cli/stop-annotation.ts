import type { KubernetesObject } from '../controller/model/kubernetes-object.ts';

/** On the cluster's profile it stops all writes, on a namespace those in it; the value is the reason. */
export const stopAnnotation = 'nanoseg.io/stop';

/** Why nothing may be written, or undefined. */
export function stopReason(object: KubernetesObject | undefined): string | undefined {
  return object?.metadata.annotations?.[stopAnnotation];
}
