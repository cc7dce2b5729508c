import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { Agent, request } from 'undici';
import {
  createKubeClient,
  type KubeClient,
  type KubeClientOptions,
} from '../../controller/adapters/kubernetes/kube-client.ts';
import { createKubernetesObjectStore } from '../../controller/adapters/kubernetes/object-store.ts';
import type { ObjectStore } from '../../controller/ports.ts';
import { freePorts, type OwnedProcess, startOwned } from './owned-process.ts';

/** All users of the token file. Only admin has rights; the others get theirs from the test by RBAC objects. */
export const kubeUsers = ['admin', 'controller', 'alice', 'bob', 'carol', 'dave'] as const;
export type KubeUser = (typeof kubeUsers)[number];

export interface KubeReply {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- whatever the server says, looked at by assertions
  readonly body: any;
}

export interface CommandResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const binary =
  process.env['NANOSEG_KUBE_APISERVER'] ??
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'nanoseg-test', 'kube-apiserver');
const startAttempts = 3;
const startLimitMs = 60_000;

/** The part of the testbed that is not on this machine, in words; undefined when a server can be started. */
export function kubeApiMissing(): string | undefined {
  if (!existsSync(binary)) return `kube-apiserver at ${binary} (test/support/build-kube-apiserver.sh makes it)`;
  return ['etcd', 'kubectl', 'setpriv'].find((command) => !onPath(command));
}

function onPath(command: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((directory) => existsSync(join(directory, command)));
}

/** Starts one; within a test it is stopped at the end of that test. */
export async function startKubeApi(t?: ExecutionContext): Promise<KubeApi> {
  const api = await KubeApi.start();
  t?.teardown(() => api.stop());
  return api;
}

/** A real etcd and a real kube-apiserver with RBAC, on ports and in a directory of their own. */
export class KubeApi {
  readonly server: string;
  readonly caFile: string;
  readonly directory: string;
  readonly #ports: { readonly api: number; readonly etcd: number; readonly peer: number };
  #etcd: OwnedProcess | undefined;
  #apiserver: OwnedProcess | undefined;
  #agent: Agent | undefined;
  #adminStore: ObjectStore | undefined;
  readonly #clients: KubeClient[] = [];

  private constructor(directory: string, [api = 0, etcd = 0, peer = 0]: readonly number[]) {
    this.directory = directory;
    this.#ports = { api, etcd, peer };
    this.server = `https://127.0.0.1:${api}`;
    this.caFile = join(directory, 'certificates', 'apiserver.crt');
  }

  static async start(): Promise<KubeApi> {
    const missing = kubeApiMissing();
    if (missing !== undefined) throw new Error(`these tests need ${missing}`);
    await removeLeftovers();
    for (let attempt = 1; ; attempt++) {
      const directory = await mkdtemp(join(tmpdir(), `nanoseg-kube-${process.pid}-`));
      const api = new KubeApi(directory, await freePorts(3));
      try {
        await api.#writeCredentials();
        await api.#startEtcd();
        await api.startServer();
        return api;
      } catch (error) {
        // somebody may have taken one of the ports in between
        await api.stop();
        if (attempt === startAttempts) throw error;
      }
    }
  }

  tokenOf(user: KubeUser): string {
    return `token-of-${user}`;
  }

  /** nanoseg's own client as that user; closed with the server. */
  clientOf(user: KubeUser, options: Partial<KubeClientOptions> = {}): KubeClient {
    const client = createKubeClient({ kubeconfig: this.kubeconfig(user), version: '0.0.0-test', ...options });
    this.#clients.push(client);
    return client;
  }

  storeOf(user: KubeUser): ObjectStore {
    return createKubernetesObjectStore(this.clientOf(user));
  }

  get asAdmin(): ObjectStore {
    this.#adminStore ??= this.storeOf('admin');
    return this.#adminStore;
  }

  /** A kubeconfig file of that user, with `default` as its namespace. */
  kubeconfig(user: KubeUser): string {
    return join(this.directory, `${user}.kubeconfig`);
  }

  /** A kubeconfig file for any token, for example one of a service account. */
  async kubeconfigWith(name: string, token: string): Promise<string> {
    const file = join(this.directory, `${name}.kubeconfig`);
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'test', cluster: { server: this.server, 'certificate-authority': this.caFile } }],
      users: [{ name, user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: name, namespace: 'default' } }],
      'current-context': 'test',
    };
    await writeFile(file, JSON.stringify(config), { mode: 0o600 });
    return file;
  }

  /** A token of that service account, made if it is not there, as the kubelet would mount it. */
  async serviceAccountToken(namespace: string, name: string): Promise<string> {
    const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
    await this.request('admin', 'POST', accounts, { metadata: { name } });
    const { status, body } = await this.request('admin', 'POST', `${accounts}/${name}/token`, {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: ['https://kubernetes.default.svc'] },
    });
    if (status !== 201) throw new Error(`no token for ${namespace}/${name}: ${JSON.stringify(body)}`);
    return body.status.token;
  }

  /** One raw request, without any code of nanoseg. */
  async request(user: KubeUser, method: string, path: string, body?: unknown, type?: string): Promise<KubeReply> {
    this.#agent ??= new Agent({ connect: { ca: await readFile(this.caFile, 'utf8') } });
    const reply = await request(`${this.server}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: { authorization: `Bearer ${this.tokenOf(user)}`, 'content-type': type ?? 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.body.text();
    return { status: reply.statusCode, body: text.startsWith('{') ? JSON.parse(text) : text };
  }

  /** The text of one raw reply as it comes, without any code of nanoseg; until the server ends it or the signal aborts. */
  async stream(user: KubeUser, path: string, signal: AbortSignal): Promise<AsyncIterable<string>> {
    this.#agent ??= new Agent({ connect: { ca: await readFile(this.caFile, 'utf8') } });
    const headers = { authorization: `Bearer ${this.tokenOf(user)}` };
    const reply = await request(`${this.server}${path}`, {
      dispatcher: this.#agent,
      headers,
      signal,
      bodyTimeout: 0,
    });
    return reply.body.setEncoding('utf8');
  }

  /** With the label that servers from 1.21 on set. */
  async createNamespace(name: string, labels: Readonly<Record<string, string>> = {}): Promise<void> {
    const { status, body } = await this.request('admin', 'POST', '/api/v1/namespaces', {
      metadata: { name, labels: { 'kubernetes.io/metadata.name': name, ...labels } },
    });
    if (status !== 201) throw new Error(`namespace ${name} was not made: ${JSON.stringify(body)}`);
  }

  /** Until it is really gone; what is in it stays in etcd, because no controller manager runs. */
  async deleteNamespace(name: string): Promise<void> {
    const path = `/api/v1/namespaces/${name}`;
    await this.request('admin', 'DELETE', path);
    const { body } = await this.request('admin', 'GET', path);
    await this.request('admin', 'PUT', `${path}/finalize`, { ...body, spec: { finalizers: [] } });
  }

  /** Binds a new role with these rules to the user, in one namespace or (without one) everywhere. */
  async grant(
    user: KubeUser | `system:serviceaccount:${string}`,
    rules: readonly object[],
    namespace?: string,
  ): Promise<void> {
    const name = `${user.replaceAll(':', '-')}-${crypto.randomUUID()}`;
    const kind = namespace === undefined ? 'ClusterRole' : 'Role';
    const base = `/apis/rbac.authorization.k8s.io/v1${namespace === undefined ? '' : `/namespaces/${namespace}`}`;
    const plural = kind.toLowerCase();
    const role = await this.request('admin', 'POST', `${base}/${plural}s`, { metadata: { name }, rules });
    const binding = await this.request('admin', 'POST', `${base}/${plural}bindings`, {
      metadata: { name },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind, name },
      subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
    });
    for (const { status, body } of [role, binding]) if (status !== 201) throw new Error(JSON.stringify(body));
  }

  /** The real kubectl with that user's kubeconfig; never rejects for what kubectl refuses. */
  kubectl(user: KubeUser, ...args: readonly string[]): Promise<CommandResult> {
    return this.#kubectl(user, args, '');
  }

  /** `kubectl apply` of this text, YAML or JSON. */
  kubectlApply(user: KubeUser, manifests: string, ...args: readonly string[]): Promise<CommandResult> {
    return this.#kubectl(user, ['apply', '-f', '-', ...args], manifests);
  }

  #kubectl(user: KubeUser, args: readonly string[], input: string): Promise<CommandResult> {
    const env = { ...process.env, KUBECONFIG: this.kubeconfig(user), HOME: this.directory };
    return new Promise((resolve) => {
      const child = execFile('kubectl', args, { env, maxBuffer: 1 << 26 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), out, err });
      });
      child.stdin?.end(input);
    });
  }

  /** The API server alone; what is stored stays. At once, as a crash would. */
  async stopServer(): Promise<void> {
    await this.#apiserver?.kill();
    await this.#agent?.destroy();
    this.#agent = undefined;
  }

  /** Resolves when the server is ready. */
  async startServer(): Promise<void> {
    const { api, etcd } = this.#ports;
    const file = (name: string) => join(this.directory, name);
    const args = [
      `--etcd-servers=http://127.0.0.1:${etcd}`,
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${file('service-accounts.key')}`,
      `--service-account-signing-key-file=${file('service-accounts.key')}`,
      `--secure-port=${api}`,
      '--bind-address=127.0.0.1',
      // an address for documentation: the `kubernetes` Endpoints need one that is no loopback
      '--advertise-address=192.0.2.1',
      `--cert-dir=${file('certificates')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--disable-admission-plugins=ServiceAccount',
    ];
    this.#apiserver = startOwned(binary, args, file('kube-apiserver.log'));
    await this.#until(this.#apiserver, async () => {
      if (!existsSync(this.caFile)) return false;
      if ((await this.request('admin', 'GET', '/readyz')).status !== 200) return false;
      // the server makes it a moment after it says that it is ready
      return (await this.request('admin', 'GET', '/api/v1/namespaces/default')).status === 200;
    });
  }

  /** The server keeps its connections and says nothing on them, until `resumeServer`. */
  pauseServer(): void {
    process.kill(this.#apiserver?.pid ?? Number.NaN, 'SIGSTOP');
  }

  resumeServer(): void {
    process.kill(this.#apiserver?.pid ?? Number.NaN, 'SIGCONT');
  }

  async restart(): Promise<void> {
    await this.stopServer();
    await this.startServer();
  }

  /**
   * Makes every resourceVersion up to now too old: watches and page tokens that go on from one get 410. The server's
   * watch cache would still know the last changes, so the server is started anew (unless it is stopped already).
   */
  async compact(): Promise<void> {
    const wasUp = this.#apiserver?.exited() === undefined;
    if (wasUp) await this.stopServer();
    await this.expirePages();
    if (wasUp) await this.startServer();
  }

  /** Like `compact`, while the server goes on: it is etcd that answers page tokens, so that they expire at once. */
  async expirePages(): Promise<void> {
    const marker = Buffer.from('nanoseg-test').toString('base64');
    const { header } = await this.#etcdCall('/v3/kv/put', { key: marker, value: marker });
    await this.#etcdCall('/v3/kv/compaction', { revision: header.revision, physical: true });
  }

  /** Process ids of what runs for it. */
  pids(): number[] {
    return [this.#etcd, this.#apiserver].flatMap((process) =>
      process?.exited() === undefined ? (process?.pid ?? []) : [],
    );
  }

  /** Everything, at once; nothing is left but what the test wrote elsewhere. */
  async stop(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    await this.stopServer();
    await this.#etcd?.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #startEtcd(): Promise<void> {
    const { etcd, peer } = this.#ports;
    const [client, between] = [`http://127.0.0.1:${etcd}`, `http://127.0.0.1:${peer}`];
    const args = [
      `--data-dir=${join(this.directory, 'etcd')}`,
      `--listen-client-urls=${client}`,
      `--advertise-client-urls=${client}`,
      `--listen-peer-urls=${between}`,
      `--initial-advertise-peer-urls=${between}`,
      `--initial-cluster=default=${between}`,
    ];
    const process = startOwned('etcd', args, join(this.directory, 'etcd.log'));
    this.#etcd = process;
    await this.#until(process, async () => (await fetch(`${client}/health`)).ok);
  }

  // oxlint-disable-next-line typescript/no-explicit-any -- etcd's JSON gateway
  async #etcdCall(path: string, body: object): Promise<any> {
    const reply = await fetch(`http://127.0.0.1:${this.#ports.etcd}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    if (!reply.ok) throw new Error(`etcd ${path}: ${await reply.text()}`);
    return reply.json();
  }

  async #until(process: OwnedProcess, ready: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + startLimitMs;
    for (;;) {
      const end = process.exited();
      if (end !== undefined) throw new Error(`a server of the test ended with ${end}:\n${await process.log()}`);
      // refused connections until it listens
      if (await ready().catch(() => false)) return;
      if (Date.now() > deadline) throw new Error(`a server of the test is not ready:\n${await process.log()}`);
      await sleep(50);
    }
  }

  async #writeCredentials(): Promise<void> {
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const key = privateKey.export({ type: 'pkcs1', format: 'pem' });
    const tokens = kubeUsers.map((user) => {
      const line = `${this.tokenOf(user)},${user},${user}-id`;
      return user === 'admin' ? `${line},"system:masters"` : line;
    });
    await mkdir(join(this.directory, 'certificates'));
    await writeFile(join(this.directory, 'service-accounts.key'), key);
    await writeFile(join(this.directory, 'tokens.csv'), `${tokens.join('\n')}\n`);
    for (const user of kubeUsers) await this.kubeconfigWith(user, this.tokenOf(user));
  }
}

/** Directories of test processes that were killed before they could clean up. */
async function removeLeftovers(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const owner = /^nanoseg-kube-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) {
      await rm(join(tmpdir(), name), { recursive: true, force: true });
    }
  }
}
