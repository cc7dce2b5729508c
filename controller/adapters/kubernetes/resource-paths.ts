import { ClusterError } from '../../model/cluster-error.ts';
import { resourceApiVersion } from '../../model/policy-proposal.ts';
import { KindNotServed } from './api-error.ts';
import type { KubeClient } from './kube-client.ts';

/** Where the objects of a kind are found on a server. */
export interface Resource {
  readonly kind: string;
  readonly apiVersion: string;
  /** As paths and RBAC rules spell it. */
  readonly plural: string;
  readonly namespaced: boolean;
}

type Scope = 'namespaced' | 'cluster';
const cluster: Scope = 'cluster';

function resource(apiVersion: string, kind: string, plural: string, scope: Scope = 'namespaced'): Resource {
  return { kind, apiVersion, plural, namespaced: scope === 'namespaced' };
}

/** Every kind that nanoseg reads or writes; of several places the first one that the server has. */
const places: Readonly<Record<string, readonly [Resource, ...Resource[]]>> = {
  Namespace: [resource('v1', 'Namespace', 'namespaces', cluster)],
  Node: [resource('v1', 'Node', 'nodes', cluster)],
  Pod: [resource('v1', 'Pod', 'pods')],
  Service: [resource('v1', 'Service', 'services')],
  ServiceAccount: [resource('v1', 'ServiceAccount', 'serviceaccounts')],
  Secret: [resource('v1', 'Secret', 'secrets')],
  ConfigMap: [resource('v1', 'ConfigMap', 'configmaps')],
  Event: [resource('v1', 'Event', 'events')],
  Endpoints: [resource('v1', 'Endpoints', 'endpoints')],
  EndpointSlice: [
    resource('discovery.k8s.io/v1', 'EndpointSlice', 'endpointslices'),
    resource('discovery.k8s.io/v1beta1', 'EndpointSlice', 'endpointslices'),
    resource('v1', 'Endpoints', 'endpoints'),
  ],
  Deployment: [resource('apps/v1', 'Deployment', 'deployments')],
  ReplicaSet: [resource('apps/v1', 'ReplicaSet', 'replicasets')],
  StatefulSet: [resource('apps/v1', 'StatefulSet', 'statefulsets')],
  DaemonSet: [resource('apps/v1', 'DaemonSet', 'daemonsets')],
  Job: [resource('batch/v1', 'Job', 'jobs')],
  CronJob: [resource('batch/v1', 'CronJob', 'cronjobs'), resource('batch/v1beta1', 'CronJob', 'cronjobs')],
  Ingress: [resource('networking.k8s.io/v1', 'Ingress', 'ingresses')],
  NetworkPolicy: [resource('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies')],
  MutatingWebhookConfiguration: [
    resource(
      'admissionregistration.k8s.io/v1',
      'MutatingWebhookConfiguration',
      'mutatingwebhookconfigurations',
      cluster,
    ),
  ],
  ValidatingWebhookConfiguration: [
    resource(
      'admissionregistration.k8s.io/v1',
      'ValidatingWebhookConfiguration',
      'validatingwebhookconfigurations',
      cluster,
    ),
  ],
  CustomResourceDefinition: [
    resource('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', cluster),
  ],
  Lease: [resource('coordination.k8s.io/v1', 'Lease', 'leases')],
  SegmentationProfile: [resource(resourceApiVersion, 'SegmentationProfile', 'segmentationprofiles')],
  PolicyProposal: [resource(resourceApiVersion, 'PolicyProposal', 'policyproposals')],
  PolicyApproval: [resource(resourceApiVersion, 'PolicyApproval', 'policyapprovals')],
};

function placesOf(kind: string): readonly [Resource, ...Resource[]] {
  const found = places[kind];
  if (found === undefined) throw new Error(`${kind} is not a kind that nanoseg reads or writes`);
  return found;
}

/** The newest place of a kind, for words and for kinds that all servers have in one place. */
export function newestResource(kind: string): Resource {
  return placesOf(kind)[0];
}

/** The apiVersion of a kind that nanoseg reads or writes, else undefined. */
export function apiVersionOf(kind: string): string | undefined {
  return places[kind]?.[0].apiVersion;
}

/** Where this server keeps the kind; asks it only where servers differ. Rejects with KindNotServed or ClusterError. */
export async function findResource(client: KubeClient, kind: string, signal?: AbortSignal): Promise<Resource> {
  const [newest, ...older] = placesOf(kind);
  if (older.length === 0) return newest;
  for (const place of [newest, ...older]) if (await serves(client, place, signal)) return place;
  throw new KindNotServed('NotFound', `the server has no ${newest.plural}`, { status: 404 });
}

async function serves(client: KubeClient, place: Resource, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    const path = groupPath(place.apiVersion);
    const { resources } = await client.request<{ resources: readonly { readonly name: string }[] }>({
      method: 'GET',
      path,
      signal,
    });
    return resources.some(({ name }) => name === place.plural);
  } catch (error) {
    if (error instanceof ClusterError && error.code === 'NotFound') return false;
    throw error;
  }
}

function groupPath(apiVersion: string): string {
  return apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

/** The path of a list (without a name) or of one object. Without a namespace: of all namespaces. */
export function resourcePath(resource: Resource, namespace: string | undefined, name?: string): string {
  const inside = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : '';
  const object = name === undefined ? '' : `/${encodeURIComponent(name)}`;
  return `${groupPath(resource.apiVersion)}${inside}/${resource.plural}${object}`;
}

/** `networking.k8s.io` of `networking.k8s.io/v1`, empty for the core's `v1`. */
export function groupOfResource({ apiVersion }: Resource): string {
  return apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}
