import { rightInWords } from './api-error.ts';
import type { KubeClient } from './kube-client.ts';
import { groupOfResource, newestResource } from './resource-paths.ts';

/** Something that a user may or may not do, as RBAC says it. */
export interface Right {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete';
  readonly kind: string;
  readonly subresource?: string;
  /** Without it: in all namespaces. */
  readonly namespace?: string;
}

interface AccessReview {
  readonly status: { readonly allowed: boolean };
}

/** Whether the server would let us; everybody may ask for themselves. */
export async function hasRight(client: KubeClient, right: Right): Promise<boolean> {
  const resource = newestResource(right.kind);
  const { status } = await client.request<AccessReview>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SelfSubjectAccessReview',
      spec: {
        resourceAttributes: {
          verb: right.verb,
          group: groupOfResource(resource),
          resource: resource.plural,
          subresource: right.subresource,
          namespace: resource.namespaced ? right.namespace : undefined,
        },
      },
    },
  });
  return status.allowed;
}

/** Those that are missing, in words: `you may not create policyapprovals in namespace shop`. */
export async function missingRights(client: KubeClient, rights: readonly Right[]): Promise<readonly string[]> {
  const allowed = await Promise.all(rights.map((right) => hasRight(client, right)));
  return rights
    .filter((_, i) => !allowed[i])
    .map(({ verb, kind, subresource, namespace }) => {
      const { plural, namespaced } = newestResource(kind);
      const resource = subresource === undefined ? plural : `${plural}/${subresource}`;
      return rightInWords(verb, resource, namespaced ? namespace : undefined);
    });
}
