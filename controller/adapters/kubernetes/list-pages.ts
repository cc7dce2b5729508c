import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import type { KubeClient } from './kube-client.ts';
import { type Resource, resourcePath } from './resource-paths.ts';

export interface PagedList {
  /** Without it: of all namespaces. */
  readonly namespace?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** @default 500 */
  readonly pageSize?: number;
  /** Called with one page at a time, so that no more than one is in memory as the server sent it. */
  page(objects: readonly KubernetesObject[]): void;
  /** The server forgot the state that the pages are of: what was told is void, and everything comes again. */
  restart(): void;
}

interface ListReply {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly Partial<KubernetesObject>[] | null;
}

const defaultPageSize = 500;

/** Tells all objects, each with its kind and apiVersion, and resolves to the resourceVersion that a watch may go on from. */
export async function listPages(client: KubeClient, resource: Resource, list: PagedList): Promise<string> {
  try {
    return await readPages(client, resource, list, list.pageSize ?? defaultPageSize);
  } catch (error) {
    if (!(error instanceof ClusterError) || error.code !== 'Expired') throw error;
    // slower than the server compacts: all at once then
    list.restart();
    return readPages(client, resource, list, undefined);
  }
}

async function readPages(
  client: KubeClient,
  resource: Resource,
  list: PagedList,
  limit: number | undefined,
): Promise<string> {
  const { namespace, signal } = list;
  const path = resourcePath(resource, namespace);
  let next: string | undefined;
  for (;;) {
    const { metadata, items } = await client.request<ListReply>({
      method: 'GET',
      path,
      query: { limit, continue: next },
      signal,
    });
    // items of a list carry neither
    const { apiVersion, kind } = resource;
    list.page((items ?? []).map((item) => ({ apiVersion, kind, ...item }) as KubernetesObject));
    next = metadata.continue || undefined;
    if (next === undefined) return metadata.resourceVersion ?? '';
  }
}
