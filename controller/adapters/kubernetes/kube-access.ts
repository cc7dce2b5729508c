import { accessSync, readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { type Cluster, type Context, KubeConfig, type User } from '@kubernetes/client-node';
import { load } from 'js-yaml';

export interface KubeAccessOptions {
  /** A file; without it KUBECONFIG, then ~/.kube/config, then the service account of the pod. */
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** Without it the context's own, or `default`. */
  readonly namespace?: string | undefined;
  /** @default process.env */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** Where the API server is and as whom we talk to it. */
export interface KubeAccess {
  /** Base URL without a slash at the end. */
  readonly server: string;
  readonly namespace: string;
  readonly context: string;
  /** The proxy of the kubeconfig's cluster, or undefined. */
  readonly proxyUrl: string | undefined;
  /** Asked before every request: tokens are renewed, files read again, credential plugins run. */
  credentials(): Promise<Credentials>;
}

export interface Credentials {
  readonly authorization: string | undefined;
  readonly tls: TlsIdentity;
}

/** In PEM; undefined where the default holds. */
export interface TlsIdentity {
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly servername: string | undefined;
  readonly rejectUnauthorized: boolean;
}

/** There is no kubeconfig that names a cluster and a user (problem code KubeconfigUnusable); the message says where we looked. */
export class KubeconfigError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'KubeconfigError';
  }
}

const podToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

/** Reads the kubeconfig as kubectl does. Throws KubeconfigError. */
export function loadKubeAccess(options: KubeAccessOptions = {}): KubeAccess {
  const environment = options.environment ?? process.env;
  const config = configFrom(options, environment);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const name = config.getCurrentContext();
  const known = config.getContexts().map((context) => context.name);
  if (!name) throw new KubeconfigError(`the kubeconfig has no current context; name one of: ${known.join(', ')}`);
  const context = config.getContextObject(name);
  if (context === null) {
    throw new KubeconfigError(`the kubeconfig has no context ${name}; it has: ${known.join(', ') || 'none'}`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw new KubeconfigError(`context ${name}: the kubeconfig has no cluster ${context.cluster}`);
  const user = config.getCurrentUser();
  if (user === null) throw new KubeconfigError(`context ${name}: the kubeconfig has no user ${context.user}`);
  if (!URL.canParse(cluster.server)) {
    throw new KubeconfigError(`cluster ${cluster.name}: the server ${String(cluster.server)} is not a URL`);
  }
  return {
    server: cluster.server.replace(/\/+$/, ''),
    namespace: options.namespace ?? (context.namespace?.trim() || 'default'),
    context: name,
    proxyUrl: cluster.proxyUrl,
    credentials: () => credentialsOf(config),
  };
}

function configFrom(options: KubeAccessOptions, environment: Readonly<Record<string, string | undefined>>): KubeConfig {
  const listed = options.kubeconfig ?? environment['KUBECONFIG'];
  const named = (listed ?? '').split(delimiter).filter((file) => file !== '');
  const files = named.length > 0 ? named : [join(environment['HOME'] ?? homedir(), '.kube', 'config')];
  const present = files.filter(isReadable);
  const config = new KubeConfig();
  if (present.length > 0) {
    config.loadFromOptions(mergeAsKubectl(present.map(readKubeconfig)));
    return config;
  }
  if (named.length === 0 && isReadable(podToken)) {
    config.loadFromCluster();
    return config;
  }
  throw new KubeconfigError(
    named.length > 0
      ? `no kubeconfig can be read at ${named.join(', ')}`
      : `no kubeconfig at ${files.join(', ')}, KUBECONFIG is not set, and this is not a pod of a cluster`,
  );
}

function isReadable(file: string): boolean {
  try {
    accessSync(file);
    return true;
  } catch {
    return false;
  }
}

interface ConfigParts {
  readonly clusters: readonly Cluster[];
  readonly users: readonly User[];
  readonly contexts: readonly Context[];
  readonly currentContext: string | undefined;
}

function readKubeconfig(file: string): ConfigParts {
  const directory = dirname(resolve(file));
  const config = new KubeConfig();
  try {
    const text = readFileSync(file, 'utf8');
    config.loadFromString(text);
    config.makePathsAbsolute(directory);
    const tokenFiles = tokenFilesOf(load(text), directory);
    return {
      // plain HTTP is for `kubectl proxy`: there is nothing that could be verified
      clusters: config.clusters.map((cluster) =>
        cluster.server.startsWith('http:') ? { ...cluster, skipTLSVerify: true } : cluster,
      ),
      users: config.users.map((user) => withPlugin(withTokenFile(user, tokenFiles.get(user.name)), directory)),
      contexts: config.contexts,
      currentContext: config.currentContext,
    };
  } catch (error) {
    throw new KubeconfigError(`${file} is no kubeconfig: ${String(error)}`, error);
  }
}

/** The library does not know `tokenFile` of a kubeconfig, but reads such files again itself when a provider names them. */
function withTokenFile(user: User, tokenFile: string | undefined): User {
  if (tokenFile === undefined || user.token) return user;
  return { ...user, authProvider: { name: 'tokenFile', config: { tokenFile } } };
}

/** As kubectl does: the path of a plugin is relative to the kubeconfig, a bare name is looked for in PATH. */
function withPlugin(user: User, directory: string): User {
  const plugin = user.exec as { readonly command?: unknown } | undefined;
  const command = plugin?.command;
  if (typeof command !== 'string' || !command.includes('/')) return user;
  return { ...user, exec: { ...plugin, command: resolve(directory, command) } };
}

function tokenFilesOf(document: unknown, directory: string): Map<string, string> {
  const users = (document as { users?: readonly { name?: unknown; user?: { tokenFile?: unknown } }[] } | null)?.users;
  const files = new Map<string, string>();
  for (const { name, user } of users ?? []) {
    if (typeof name === 'string' && typeof user?.tokenFile === 'string') {
      files.set(name, resolve(directory, user.tokenFile));
    }
  }
  return files;
}

/** Of several files the first one that names something wins. */
function mergeAsKubectl(files: readonly ConfigParts[]): ConfigParts {
  const firstOf = <Part extends { readonly name: string }>(parts: readonly Part[]) => [
    ...new Map(parts.toReversed().map((part) => [part.name, part])).values(),
  ];
  return {
    clusters: firstOf(files.flatMap(({ clusters }) => clusters)),
    users: firstOf(files.flatMap(({ users }) => users)),
    contexts: firstOf(files.flatMap(({ contexts }) => contexts)).toReversed(),
    currentContext: files.find(({ currentContext }) => currentContext)?.currentContext,
  };
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: RequestOptions = {};
  await config.applyToHTTPSOptions(options);
  const headers = (options.headers ?? {}) as Readonly<Record<string, string | undefined>>;
  const basic = options.auth ? `Basic ${Buffer.from(options.auth).toString('base64')}` : undefined;
  return {
    // a token file ends with a line feed, which no header may have
    authorization: headers['Authorization']?.trim() ?? basic,
    tls: {
      ca: pem(options.ca),
      cert: pem(options.cert),
      key: pem(options.key),
      servername: options.servername,
      rejectUnauthorized: options.rejectUnauthorized !== false,
    },
  };
}

function pem(value: unknown): string | undefined {
  return typeof value === 'string' || Buffer.isBuffer(value) ? value.toString() : undefined;
}
