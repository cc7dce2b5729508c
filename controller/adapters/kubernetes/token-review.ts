import type { KubeClient } from './kube-client.ts';

/** `status.user` of a TokenReview, and the user of a SubjectAccessReview. */
export interface ReviewedUser {
  readonly username: string;
  readonly uid?: string;
  readonly groups?: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

interface TokenReview {
  readonly status: {
    readonly authenticated?: boolean;
    readonly user?: Partial<ReviewedUser>;
    readonly error?: string;
  };
}

/** What a user wants to do, as RBAC says it. */
export type AccessAttributes =
  | {
      readonly resourceAttributes: {
        readonly verb: string;
        readonly group: string;
        readonly resource: string;
        /** Absent: in all of them. */
        readonly namespace?: string;
      };
    }
  | { readonly nonResourceAttributes: { readonly path: string; readonly verb: string } };

interface SubjectAccessReview {
  readonly status: { readonly allowed: boolean };
}

/** Whose token it is, as the API server says; `refused` in words, without the token. Rejects with ClusterError. */
export async function reviewToken(client: KubeClient, token: string): Promise<ReviewedUser | { refused: string }> {
  const { status } = await client.request<TokenReview>({
    method: 'POST',
    path: '/apis/authentication.k8s.io/v1/tokenreviews',
    body: { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } },
  });
  const { user } = status;
  if (status.authenticated === true && user?.username !== undefined) return { ...user, username: user.username };
  const why = status.error === undefined ? '' : `: ${status.error.replaceAll(token, '…')}`;
  return { refused: `the API server does not accept this token${why}` };
}

/** Whether that user may. Rejects with ClusterError. */
export async function reviewAccess(
  client: KubeClient,
  { username, uid, groups, extra }: ReviewedUser,
  attributes: AccessAttributes,
): Promise<boolean> {
  const { status } = await client.request<SubjectAccessReview>({
    method: 'POST',
    path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
    body: {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: { user: username, uid, groups, extra, ...attributes },
    },
  });
  return status.allowed;
}
