import { parseWorkloadKey, type WorkloadKey } from './workload.ts';

/** Why an address or name has no owner that we would vouch for. */
export type UnknownReason =
  /** Two owners at that time, or several workloads that fit. */
  | 'ambiguous'
  /** The flow is older than what the inventory knows of that address. */
  | 'before-inventory'
  /** An address inside the cluster, or possibly inside, that nobody owned at that time. */
  | 'no-owner'
  /** The source names a pod or workload that is in no manifest. */
  | 'not-in-inventory'
  /** A Service address whose backend cannot be told. */
  | 'service-without-backend'
  /** The record has neither name nor address. */
  | 'unnamed';

/** One side of a flow after attribution. */
export type Endpoint =
  | { readonly kind: 'workload'; readonly workload: WorkloadKey }
  /** A node itself or a hostNetwork pod on it; `name` is empty when only "some node" is known. */
  | { readonly kind: 'node'; readonly name: string }
  /** default/kubernetes is the API server; others are Service addresses that could not be resolved to one workload. */
  | { readonly kind: 'service'; readonly namespace: string; readonly name: string }
  /** `address` is canonical text; `world` when the source says outside without an address. */
  | { readonly kind: 'external'; readonly address: string }
  | { readonly kind: 'unknown'; readonly reason: UnknownReason; readonly address: string };

declare const endpointIdBrand: unique symbol;

/** Stable text identity of an endpoint: the node key in the traffic graph. */
export type EndpointId = string & { readonly [endpointIdBrand]: true };

export const apiServerEndpoint: Endpoint = { kind: 'service', namespace: 'default', name: 'kubernetes' };

export function isApiServer(endpoint: Endpoint): boolean {
  return endpoint.kind === 'service' && endpoint.namespace === 'default' && endpoint.name === 'kubernetes';
}

export function endpointId(endpoint: Endpoint): EndpointId {
  return idText(endpoint) as EndpointId;
}

function idText(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'workload':
      return `workload:${endpoint.workload}`;
    case 'node':
      return `node:${endpoint.name}`;
    case 'service':
      return `service:${endpoint.namespace}/${endpoint.name}`;
    case 'external':
      return `external:${endpoint.address}`;
    case 'unknown':
      return `unknown:${endpoint.reason}:${endpoint.address}`;
  }
}

/** An endpoint for people: `shop/Deployment/cart`, `node a`, `the API server`, `203.0.113.7`, `10.0.0.9 (no-owner)`. */
export function endpointWords(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'workload':
      return endpoint.workload;
    case 'node':
      return endpoint.name === '' ? 'some node' : `node ${endpoint.name}`;
    case 'service':
      return isApiServer(endpoint) ? 'the API server' : `service ${endpoint.namespace}/${endpoint.name}`;
    case 'external':
      return endpoint.address;
    case 'unknown':
      return `${endpoint.address === '' ? 'an unknown side' : endpoint.address} (${endpoint.reason})`;
  }
}

/** Empty for what is in no namespace. */
export function namespaceOfEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case 'workload':
      return parseWorkloadKey(endpoint.workload).namespace;
    case 'service':
      return isApiServer(endpoint) ? '' : endpoint.namespace;
    case 'node':
    case 'external':
    case 'unknown':
      return '';
  }
}
