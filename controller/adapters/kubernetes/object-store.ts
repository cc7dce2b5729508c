import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import type { NetworkPolicy } from '../../model/network-policy.ts';
import type { ObjectStore } from '../../ports.ts';
import { KindNotServed } from './api-error.ts';
import type { KubeClient, KubeRequest } from './kube-client.ts';
import { listPages } from './list-pages.ts';
import { findResource, newestResource, type Resource, resourcePath } from './resource-paths.ts';

export interface ObjectStoreOptions {
  /** @default nanoseg */
  readonly fieldManager?: string;
  /** When it aborts, requests in flight are cut off and reject with its reason. */
  readonly signal?: AbortSignal;
}

/** The API server as an ObjectStore: plain JSON both ways; of `managedFields` only a policy has its managers. */
export function createKubernetesObjectStore(client: KubeClient, options: ObjectStoreOptions = {}): ObjectStore {
  return new KubernetesObjectStore(client, options);
}

class KubernetesObjectStore implements ObjectStore {
  readonly #client: KubeClient;
  readonly #fieldManager: string;
  readonly #signal: AbortSignal | undefined;
  readonly #resources = new Map<string, Promise<Resource>>();

  constructor(client: KubeClient, { fieldManager = 'nanoseg', signal }: ObjectStoreOptions) {
    this.#client = client;
    this.#fieldManager = fieldManager;
    this.#signal = signal;
  }

  get name(): string {
    return this.#client.server;
  }

  async get<Type extends KubernetesObject>({ kind, namespace, name }: ObjectRef): Promise<Type | undefined> {
    try {
      return await this.#send<Type>({ method: 'GET', path: await this.#path(kind, namespace, name) });
    } catch (error) {
      if (isGone(error)) return undefined;
      throw error;
    }
  }

  async list<Type extends KubernetesObject>(kind: string, namespace?: string): Promise<readonly Type[]> {
    const objects: Type[] = [];
    const resource = await this.#resource(kind);
    await listPages(this.#client, resource, {
      namespace,
      signal: this.#signal,
      restart: () => objects.splice(0),
      page: (items) => objects.push(...(items.map((item) => slimmed(item, kind)) as Type[])),
    });
    return objects;
  }

  async create<Type extends KubernetesObject>(object: Type): Promise<Type> {
    const path = await this.#path(object.kind, object.metadata.namespace);
    return this.#send({ method: 'POST', path, query: { fieldManager: this.#fieldManager }, body: object });
  }

  async update<Type extends KubernetesObject>(object: Type): Promise<Type> {
    const path = await this.#path(object.kind, object.metadata.namespace, object.metadata.name);
    return this.#send({ method: 'PUT', path, query: { fieldManager: this.#fieldManager }, body: object });
  }

  async updateStatus<Type extends KubernetesObject>(object: Type): Promise<Type> {
    const path = await this.#path(object.kind, object.metadata.namespace, object.metadata.name);
    const query = { fieldManager: this.#fieldManager };
    return this.#send({ method: 'PUT', path: `${path}/status`, query, body: object });
  }

  async annotate(
    { kind, namespace, name }: ObjectRef,
    annotations: Readonly<Record<string, string | null>>,
  ): Promise<void> {
    await this.#send({
      method: 'PATCH',
      path: await this.#path(kind, namespace, name),
      query: { fieldManager: this.#fieldManager },
      contentType: 'application/merge-patch+json',
      body: { metadata: { annotations } },
    });
  }

  async applyPolicy(
    { apiVersion, kind, metadata, spec }: NetworkPolicy,
    { dryRun, force = false }: { readonly dryRun: boolean; readonly force?: boolean },
  ): Promise<NetworkPolicy> {
    const { name, namespace, labels, annotations } = metadata;
    return this.#send({
      method: 'PATCH',
      path: await this.#path(kind, namespace, name),
      query: { fieldManager: this.#fieldManager, force, dryRun: dryRun ? 'All' : undefined },
      contentType: 'application/apply-patch+yaml',
      // nothing that only the server may set, whatever the policy was read with
      body: { apiVersion, kind, metadata: { name, namespace, labels, annotations }, spec },
    });
  }

  async remove(ref: ObjectRef, uid?: string): Promise<void> {
    const { kind, namespace, name } = ref;
    try {
      await this.#send({
        method: 'DELETE',
        path: await this.#path(kind, namespace, name),
        body: { propagationPolicy: 'Background', ...(uid === undefined ? {} : { preconditions: { uid } }) },
      });
    } catch (error) {
      if (isGone(error)) return;
      if (!(error instanceof ClusterError) || error.code !== 'Conflict' || uid === undefined) throw error;
      // another object with that name is none of our business
      if ((await this.get(ref))?.metadata.uid === uid) throw error;
    }
  }

  async #send<Body>(request: KubeRequest): Promise<Body> {
    const object = await this.#client.request<Body>({ ...request, signal: this.#signal });
    return slimmed(object);
  }

  async #path(kind: string, namespace: string | undefined, name?: string): Promise<string> {
    const resource = await this.#resource(kind);
    if (resource.namespaced && !namespace) {
      throw new ClusterError('Invalid', `${kind} ${name ?? ''}: it has no namespace, and its kind needs one`);
    }
    return resourcePath(resource, namespace, name);
  }

  #resource(kind: string): Promise<Resource> {
    newestResource(kind);
    const known = this.#resources.get(kind);
    if (known !== undefined) return known;
    const found = findResource(this.#client, kind, this.#signal);
    this.#resources.set(kind, found);
    // a failure is not remembered
    found.catch(() => this.#resources.delete(kind));
    return found;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ClusterError && error.code === 'NotFound' && !(error instanceof KindNotServed);
}

/** Items of a list do not say their kind. Whose a policy is can be seen when all its marks are gone: by who wrote to it. */
function slimmed<Value>(value: Value, kindOfItem?: string): Value {
  const object = value as { kind?: string; metadata?: { managedFields?: readonly { manager?: string }[] } } | null;
  const metadata = object?.metadata;
  if (metadata?.managedFields === undefined) return value;
  if ((object?.kind ?? kindOfItem) === 'NetworkPolicy') {
    metadata.managedFields = metadata.managedFields.map(({ manager = '' }) => ({ manager }));
  } else delete metadata.managedFields;
  return value;
}
