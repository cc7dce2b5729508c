import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import { KindNotServed } from './api-error.ts';
import type { KubeClient } from './kube-client.ts';
import { newestResource, resourcePath } from './resource-paths.ts';

/** coordination.k8s.io/v1 Lease, as far as leader election uses it. */
export interface Lease extends KubernetesObject {
  readonly spec?: LeaseSpec;
}

export interface LeaseSpec {
  /** Null, empty or absent: nobody. */
  readonly holderIdentity?: string | null;
  readonly leaseDurationSeconds?: number | null;
  /** RFC 3339 with microseconds; for people only, as clocks differ. */
  readonly acquireTime?: string | null;
  readonly renewTime?: string | null;
  readonly leaseTransitions?: number | null;
}

export interface LeaseName {
  readonly namespace: string;
  readonly name: string;
}

/** Reads and writes one Lease; a write that comes second is refused by the server and answers undefined. */
export class LeaseRecord {
  readonly #client: KubeClient;
  readonly #name: LeaseName;
  readonly #timeoutMs: number;

  constructor(client: KubeClient, name: LeaseName, timeoutMs: number) {
    this.#client = client;
    this.#name = name;
    this.#timeoutMs = timeoutMs;
  }

  async read(): Promise<Lease | undefined> {
    try {
      return await this.#send<Lease>('GET', this.#name.name);
    } catch (error) {
      if (error instanceof ClusterError && error.code === 'NotFound' && !(error instanceof KindNotServed))
        return undefined;
      throw error;
    }
  }

  /** Writes the spec over `former`, or makes the Lease where there was none. */
  async write(former: Lease | undefined, spec: LeaseSpec): Promise<Lease | undefined> {
    const { apiVersion, kind } = newestResource('Lease');
    try {
      return former === undefined
        ? await this.#send<Lease>('POST', undefined, { apiVersion, kind, metadata: { ...this.#name }, spec })
        : await this.#send<Lease>('PUT', this.#name.name, { ...former, spec });
    } catch (error) {
      const lostRace = error instanceof ClusterError && (error.code === 'Conflict' || error.code === 'AlreadyExists');
      if (lostRace) return undefined;
      throw error;
    }
  }

  #send<Body>(method: 'GET' | 'POST' | 'PUT', name: string | undefined, body?: Lease): Promise<Body> {
    const path = resourcePath(newestResource('Lease'), this.#name.namespace, name);
    const timeoutMs = this.#timeoutMs;
    return this.#client.request(body === undefined ? { method, path, timeoutMs } : { method, path, timeoutMs, body });
  }
}
