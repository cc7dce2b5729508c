import { createPrivateKey, sign } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubeApi } from './kube-api.ts';

const issuer = 'https://kubernetes.default.svc';

export interface TokenWish {
  readonly audience?: string;
  /** The token is that pod's, and worth nothing without it. */
  readonly pod?: { readonly name: string; readonly uid: string };
}

/** A token as the API server makes it (TokenRequest); the service account must be there. */
export async function requestToken(
  api: KubeApi,
  namespace: string,
  name: string,
  wish: TokenWish = {},
): Promise<string> {
  const { audience = issuer, pod } = wish;
  const boundObjectRef = pod && { kind: 'Pod', apiVersion: 'v1', ...pod };
  const { status, body } = await api.request(
    'admin',
    'POST',
    `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { audiences: [audience], boundObjectRef } },
  );
  if (status !== 201) throw new Error(`no token for ${namespace}/${name}: ${JSON.stringify(body)}`);
  return body.status.token;
}

/** One that the API server made and that has expired: nobody can wait for that, so that it is signed with the server's key. */
export async function expiredToken(api: KubeApi, token: string): Promise<string> {
  const [header = '', payload = ''] = token.split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  const nowS = Math.floor(Date.now() / 1000);
  const past = { ...claims, iat: nowS - 7_200, nbf: nowS - 7_200, exp: nowS - 3_600 };
  const signed = `${header}.${Buffer.from(JSON.stringify(past)).toString('base64url')}`;
  const key = createPrivateKey(await readFile(join(api.directory, 'service-accounts.key')));
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}
