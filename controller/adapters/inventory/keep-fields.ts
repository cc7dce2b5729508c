import { z } from 'zod';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import type { Labels } from '../../model/label-selector.ts';
import { groupOf, isRecord } from './located-object.ts';
import {
  apiServiceFields,
  ciliumNodeFields,
  configMapFields,
  cronJobFields,
  customResourceDefinitionFields,
  endpointsFields,
  endpointSliceFields,
  ingressFields,
  ipPoolFields,
  jobFields,
  mapSelectingOwnerFields,
  namespaceFields,
  nodeFields,
  podFields,
  selectingOwnerFields,
  serviceCidrFields,
  serviceFields,
  webhookConfigurationFields,
} from './object-schemas.ts';
import { readAnnotations } from './read-annotations.ts';

/** Which fields of a value stay, `true` for all of it; of a list, which fields of its items. */
type Kept = true | { readonly [field: string]: Kept };

const keptMetadata: Kept = {
  name: true,
  namespace: true,
  uid: true,
  resourceVersion: true,
  generation: true,
  creationTimestamp: true,
  deletionTimestamp: true,
  labels: true,
  annotations: true,
  ownerReferences: { kind: true, name: true, controller: true },
};

/** What is read of each kind, by `group/Kind`; other kinds stay as they are. */
const keptFields: ReadonlyMap<string, Kept> = new Map(
  Object.entries({
    '/Pod': podFields,
    '/Namespace': namespaceFields,
    '/Node': nodeFields,
    '/Service': serviceFields,
    '/Endpoints': endpointsFields,
    '/ConfigMap': configMapFields,
    '/ReplicationController': mapSelectingOwnerFields,
    'apps/Deployment': selectingOwnerFields,
    'apps/StatefulSet': selectingOwnerFields,
    'apps/DaemonSet': selectingOwnerFields,
    'apps/ReplicaSet': selectingOwnerFields,
    'batch/Job': jobFields,
    'batch/CronJob': cronJobFields,
    'discovery.k8s.io/EndpointSlice': endpointSliceFields,
    'networking.k8s.io/Ingress': ingressFields,
    'networking.k8s.io/ServiceCIDR': serviceCidrFields,
    'admissionregistration.k8s.io/ValidatingWebhookConfiguration': webhookConfigurationFields,
    'admissionregistration.k8s.io/MutatingWebhookConfiguration': webhookConfigurationFields,
    'apiextensions.k8s.io/CustomResourceDefinition': customResourceDefinitionFields,
    'apiregistration.k8s.io/APIService': apiServiceFields,
    'crd.projectcalico.org/IPPool': ipPoolFields,
    'projectcalico.org/IPPool': ipPoolFields,
    'cilium.io/CiliumNode': ciliumNodeFields,
  }).map(([kind, schema]) => [kind, { ...fieldsOf(schema), apiVersion: true, kind: true, metadata: keptMetadata }]),
);

/**
 * The object with nothing but what the inventory reads of it, so that a large cluster fits into memory and a change of
 * anything else is no change: no environment, no volumes, no managed fields. NetworkPolicies and nanoseg's own resources
 * stay whole but for their managed fields. Reading the result gives the same cluster.
 */
export function keepFields(object: KubernetesObject): KubernetesObject {
  if (slimmed.has(object)) return object;
  const slim = slimOf(object);
  slimmed.add(slim);
  return slim;
}

/** A feed slims what it lists page by page, and the inventory does not know who feeds it. */
const slimmed = new WeakSet<KubernetesObject>();

function slimOf(object: KubernetesObject): KubernetesObject {
  const kind = `${groupOf(object.apiVersion)}/${object.kind}`;
  const kept = keptFields.get(kind);
  if (kept === undefined) return withoutManagedFields(object);
  const body = pick(object, kept) as KubernetesObject;
  const metadata = isRecord(body.metadata) ? withReadAnnotations(body.metadata) : body.metadata;
  // what a server wrote has a status, and that it has one tells it from a manifest
  const status = 'status' in object && !('status' in body) ? { status: {} } : {};
  const slim = { ...body, metadata, ...status };
  switch (kind) {
    case '/Pod':
      return slimPod(slim);
    case '/ConfigMap':
      return object.metadata.namespace?.startsWith('kube-') === true ? slim : without(slim, 'data');
    default:
      return slim;
  }
}

function fieldsOf(schema: z.ZodType): { readonly [field: string]: Kept } {
  const kept = keptOf(schema);
  return kept === true ? {} : kept;
}

function keptOf(schema: unknown): Kept {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return keptOf(schema.unwrap());
  if (schema instanceof z.ZodArray) return keptOf(schema.element);
  // of a strict object the fields that must not be there matter too
  if (!(schema instanceof z.ZodObject) || schema.def.catchall !== undefined) return true;
  return Object.fromEntries(Object.entries(schema.shape).map(([field, inner]) => [field, keptOf(inner)]));
}

function pick(value: unknown, kept: Kept): unknown {
  if (kept === true || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => pick(item, kept));
  const picked: Record<string, unknown> = {};
  for (const [field, inner] of Object.entries(kept)) {
    if (Object.hasOwn(value, field)) picked[field] = pick((value as Record<string, unknown>)[field], inner);
  }
  return picked;
}

function withReadAnnotations(metadata: KubernetesObject['metadata']): KubernetesObject['metadata'] {
  const { annotations } = metadata;
  if (!isRecord(annotations) || Object.values(annotations).some((value) => typeof value !== 'string')) return metadata;
  const read = readAnnotations(annotations as Labels);
  return Object.keys(read).length === 0
    ? (without(metadata, 'annotations') as KubernetesObject['metadata'])
    : { ...metadata, annotations: read };
}

/** Command lines matter where the control plane runs; how containers fare, when the pod has finished. */
function slimPod(pod: KubernetesObject): KubernetesObject {
  const { spec, status } = pod as { readonly spec?: unknown; readonly status?: unknown };
  const system = pod.metadata?.namespace === 'kube-system';
  return {
    ...pod,
    ...(isRecord(spec) && !system && { spec: withoutCommands(spec) }),
    ...(isRecord(status) && { status: slimStatus(status) }),
  };
}

function withoutCommands(spec: Record<string, unknown>): Record<string, unknown> {
  const slim = (containers: unknown) =>
    Array.isArray(containers)
      ? containers.map((item: unknown) => (isRecord(item) ? without(without(item, 'command'), 'args') : item))
      : containers;
  const { containers, initContainers } = spec;
  return {
    ...spec,
    ...(containers !== undefined && { containers: slim(containers) }),
    ...(initContainers !== undefined && { initContainers: slim(initContainers) }),
  };
}

function slimStatus(status: Record<string, unknown>): Record<string, unknown> {
  const { phase, conditions } = status;
  const slim = phase === 'Succeeded' || phase === 'Failed' ? status : without(status, 'containerStatuses');
  if (!Array.isArray(conditions)) return slim;
  return { ...slim, conditions: conditions.filter((item: unknown) => !isRecord(item) || item['type'] === 'Ready') };
}

function withoutManagedFields(object: KubernetesObject): KubernetesObject {
  if (!isRecord(object.metadata) || !Object.hasOwn(object.metadata, 'managedFields')) return object;
  return { ...object, metadata: without(object.metadata, 'managedFields') as KubernetesObject['metadata'] };
}

function without<Value extends object>(value: Value, field: string): Value {
  if (!Object.hasOwn(value, field)) return value;
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== field)) as Value;
}
