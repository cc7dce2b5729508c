import type { Labels } from './label-selector.ts';

/** Metadata as the API server keeps it; what only the server sets is absent on an object that was never stored. */
export interface ObjectMeta {
  readonly name: string;
  /** Empty or absent for objects without a namespace. */
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  /** RFC 3339. */
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Labels;
  readonly annotations?: Labels;
}

/** Any object of the Kubernetes API, in exactly the shape in which the server stores it. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
}

/** Which object is meant. */
export interface ObjectRef {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}
