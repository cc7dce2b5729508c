import { X509Certificate } from 'node:crypto';
import { ClusterError } from '../../model/cluster-error.ts';
import type { KubeClient } from './kube-client.ts';

interface Review {
  readonly status?: {
    readonly userInfo?: { readonly username?: string };
    readonly user?: { readonly username?: string };
  };
}

/**
 * The user that the API server takes us for: as it says itself (from 1.27 on), as it says of our token, else as the
 * token or the certificate says. Undefined when none of them can be had. Rejects with ClusterError when the server
 * cannot be reached.
 */
export async function ownIdentity(client: KubeClient): Promise<string | undefined> {
  const { authorization, tls } = await client.credentials();
  const token = /^Bearer (.+)$/.exec(authorization ?? '')?.[1];
  return (
    (await selfReview(client, 'v1')) ??
    (await selfReview(client, 'v1beta1')) ??
    (token === undefined ? undefined : ((await tokenReview(client, token)) ?? subjectOfToken(token))) ??
    commonNameOf(tls.cert)
  );
}

async function selfReview(client: KubeClient, version: 'v1' | 'v1beta1'): Promise<string | undefined> {
  const apiVersion = `authentication.k8s.io/${version}`;
  const review = await post(client, `/apis/${apiVersion}/selfsubjectreviews`, {
    apiVersion,
    kind: 'SelfSubjectReview',
  });
  return review?.status?.userInfo?.username;
}

async function tokenReview(client: KubeClient, token: string): Promise<string | undefined> {
  const apiVersion = 'authentication.k8s.io/v1';
  const body = { apiVersion, kind: 'TokenReview', spec: { token } };
  const review = await post(client, `/apis/${apiVersion}/tokenreviews`, body);
  return review?.status?.user?.username;
}

/** Undefined where the server does not have it, or does not let us. */
async function post(client: KubeClient, path: string, body: object): Promise<Review | undefined> {
  try {
    return await client.request<Review>({ method: 'POST', path, body });
  } catch (error) {
    if (error instanceof ClusterError && (error.code === 'NotFound' || error.code === 'Forbidden')) return undefined;
    throw error;
  }
}

/** The subject of a JWT (RFC 7519), for service accounts their whole user name. */
function subjectOfToken(token: string): string | undefined {
  const payload = token.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const { sub } = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { sub?: unknown };
    return typeof sub === 'string' ? sub : undefined;
  } catch {
    // a token may be any text
    return undefined;
  }
}

/** The user of a client certificate is its common name. */
function commonNameOf(certificate: string | undefined): string | undefined {
  if (certificate === undefined) return undefined;
  return /^CN=(.+)$/m.exec(new X509Certificate(certificate).subject)?.[1];
}
