import { readFile } from 'node:fs/promises';
import type { Credentials, KubeAccess } from '../controller/adapters/kubernetes/kube-access.ts';
import { problem } from '../controller/model/problem.ts';
import { InputError } from './terminal.ts';
import type { Upstream } from './ui-proxy.ts';

export interface UpstreamOptions {
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly systemNamespace: string;
  /** The controller itself, instead of the proxy of the API server. */
  readonly server?: string;
  readonly serverCa?: string;
  readonly tokenFile?: string;
}

/** The port of Service nanoseg-page (examples/install/service.yaml). */
const pagePort = 8445;

/** The controller as the owner of the kubeconfig reaches it, with a token that says who that is. Throws InputError. */
export async function upstreamOf(options: UpstreamOptions): Promise<Upstream> {
  const { kubeconfig, context, server, serverCa, tokenFile, systemNamespace } = options;
  const { KubeconfigError, loadKubeAccess } = await import('../controller/adapters/kubernetes/kube-access.ts');
  let access: KubeAccess | undefined;
  try {
    access = server !== undefined && tokenFile !== undefined ? undefined : loadKubeAccess({ kubeconfig, context });
  } catch (error) {
    if (!(error instanceof KubeconfigError)) throw error;
    throw unusable(error.message);
  }
  const authorized = async () => {
    const credentials = access && (await credentialsOf(access));
    const token = tokenFile === undefined ? undefined : (await textOf(tokenFile)).trim();
    const authorization = token === undefined ? credentials?.authorization : `Bearer ${token}`;
    if (authorization?.startsWith('Bearer ') !== true) throw noToken(access?.context ?? '', credentials);
    return { authorization, credentials };
  };
  // what is missing is said before a page opens that cannot show anything
  await authorized();
  if (server !== undefined) {
    const ca = serverCa === undefined ? undefined : await textOf(serverCa);
    const url = new URL(server).href.replace(/\/+$/, '');
    return {
      url,
      credentials: async () => ({ headers: { authorization: (await authorized()).authorization }, tls: { ca } }),
    };
  }
  const path = `/api/v1/namespaces/${systemNamespace}/services/https:nanoseg-page:${pagePort}/proxy`;
  return {
    url: `${access?.server}${path}`,
    credentials: async () => {
      const { authorization, credentials } = await authorized();
      const own = credentials?.authorization;
      // the API server takes its own header away
      const headers = { ...(own !== undefined && { authorization: own }), 'x-nanoseg-authorization': authorization };
      return { headers, tls: credentials?.tls ?? {} };
    },
  };
}

async function credentialsOf(access: KubeAccess): Promise<Credentials> {
  try {
    return await access.credentials();
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim() : String(error);
    throw unusable(`no credentials can be had for context ${access.context}: ${reason}`);
  }
}

/**
 * Nothing but a token tells the controller who asks: by a certificate the person is known to the API server alone, and a
 * token that is made with its help is a service account's, whose name would stand under what the person decides.
 */
function noToken(context: string, credentials: Credentials | undefined): InputError {
  const has =
    credentials?.tls.cert !== undefined
      ? 'a client certificate and no token, and a certificate says who you are to the API server alone'
      : credentials?.authorization !== undefined
        ? 'a password and no token'
        : 'no token';
  return unusable(
    `context ${context} has ${has}. To decide under your own name, use nanoseg proposals, show and approve, which take it as it is. ` +
      'To look at the page as a service account, bind one to ClusterRole nanoseg-viewer, and: ' +
      'kubectl create token NAME -n NAMESPACE > token; nanoseg ui --token-file token',
  );
}

function unusable(message: string): InputError {
  return new InputError([problem('KubeconfigUnusable', message)]);
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new InputError([problem('InputNotFound', (error as Error).message, path)]);
  }
}
