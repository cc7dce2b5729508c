import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ConnectionOptions } from 'node:tls';
import { Redis } from 'ioredis';
import { freePorts, type OwnedProcess, startOwned } from './owned-process.ts';

const host = '127.0.0.1';
const startMs = 10_000;
const slots = 16_384;
/** Slots of each node of a cluster. */
const share = Math.ceil(slots / 3);

export interface RedisSettings {
  /** Beside those that make it ours: as in redis.conf, `name value…`. */
  readonly settings?: readonly string[];
  /** How we talk to it ourselves, where it does not let everybody in. */
  readonly access?: { readonly username?: string; readonly password?: string; readonly tls?: ConnectionOptions };
  readonly sentinel?: boolean;
  /** PEM: it takes nothing but TLS. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string; readonly authority: string };
}

/** A real redis-server of a test, in a directory of its own; without persistence unless the settings say otherwise. */
export class RedisServer {
  readonly port: number;
  readonly #directory: string;
  readonly #sentinel: boolean;
  readonly #scheme: 'redis' | 'rediss';
  #process: OwnedProcess | undefined;
  /** For the test itself. */
  readonly admin: Redis;

  private constructor(port: number, directory: string, { access, sentinel, tls }: RedisSettings) {
    this.port = port;
    this.#directory = directory;
    this.#sentinel = sentinel ?? false;
    this.#scheme = tls === undefined ? 'redis' : 'rediss';
    this.admin = new Redis({ host, port, lazyConnect: true, retryStrategy: () => 50, ...access });
    this.admin.on('error', () => undefined);
  }

  static async start(wanted: RedisSettings = {}): Promise<RedisServer> {
    const [port = 0] = await freePorts(1);
    return RedisServer.startAt(port, wanted);
  }

  static async startAt(port: number, wanted: RedisSettings): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'nanoseg-redis-'));
    const own = [`bind ${host}`, `dir ${directory}`, ...(await portSettings(port, directory, wanted))];
    const lasting = wanted.sentinel ? [] : ['save ""', 'appendonly no', 'repl-diskless-sync-delay 0'];
    const text = [...own, ...lasting, ...(wanted.settings ?? [])].join('\n');
    await writeFile(join(directory, 'redis.conf'), `${text}\n`);
    const server = new RedisServer(port, directory, wanted);
    await server.run();
    return server;
  }

  get url(): string {
    return `${this.#scheme}://${host}:${this.port}`;
  }

  get directory(): string {
    return this.#directory;
  }

  /** Starts it again; resolves while it is still loading what is on its disk, which takes some seconds. */
  async runSlowly(): Promise<void> {
    const process = this.#start(['--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024']);
    await untilTrue(async () => (await process.log()).includes('Loading RDB'), 'the server is loading');
    if ((await process.log()).includes('DB loaded')) throw new Error('the server was too quick');
  }

  /** Starts it (again), with what it has on its disk. */
  async run(): Promise<void> {
    const process = this.#start(this.#sentinel ? ['--sentinel'] : []);
    for (const lastMs = Date.now() + startMs; ; ) {
      const ended = process.exited();
      if (ended !== undefined || Date.now() > lastMs) {
        throw new Error(`redis-server did not start (${ended ?? 'no answer'}): ${await process.log()}`);
      }
      try {
        if (this.admin.status === 'wait' || this.admin.status === 'end') await this.admin.connect();
        await this.admin.ping();
        return;
      } catch {
        await delay(20);
      }
    }
  }

  #start(more: readonly string[]): OwnedProcess {
    this.#process = startOwned('redis-server', [join(this.#directory, 'redis.conf'), ...more], this.#log);
    return this.#process;
  }

  get #log(): string {
    return join(this.#directory, 'log');
  }

  /** Kills it as a loss of power would: nothing more is written. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** It hangs: its connections stay, and nothing is answered, until it is resumed. */
  pause(): void {
    if (this.#process !== undefined) process.kill(this.#process.pid, 'SIGSTOP');
  }

  resume(): void {
    if (this.#process !== undefined) process.kill(this.#process.pid, 'SIGCONT');
  }

  /** Cuts everybody off but us, and the replicas only where they are asked for. */
  async cutOff(type: 'normal' | 'replica' = 'normal'): Promise<void> {
    await this.admin.call('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
  }

  async stop(): Promise<void> {
    this.admin.disconnect();
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

async function portSettings(port: number, directory: string, { tls }: RedisSettings): Promise<string[]> {
  if (tls === undefined) return [`port ${port}`];
  const files = { 'tls-cert-file': tls.certificate, 'tls-key-file': tls.privateKey, 'tls-ca-cert-file': tls.authority };
  for (const [name, text] of Object.entries(files)) await writeFile(join(directory, name), text);
  const named = Object.keys(files).map((name) => `${name} ${join(directory, name)}`);
  return ['port 0', `tls-port ${port}`, 'tls-auth-clients no', 'tls-replication yes', 'tls-cluster yes', ...named];
}

/** Three masters that share the slots. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];
  readonly #wanted: RedisSettings;
  readonly #replicas: RedisServer[] = [];

  private constructor(nodes: readonly RedisServer[], wanted: RedisSettings) {
    this.nodes = nodes;
    this.#wanted = wanted;
  }

  static async start(wanted: RedisSettings = {}): Promise<RedisCluster> {
    const nodes: RedisServer[] = [];
    for (const port of await freePorts(3)) nodes.push(await startNode(port, wanted));
    for (const [i, node] of nodes.entries()) {
      await node.admin.call('CLUSTER', 'ADDSLOTSRANGE', i * share, Math.min((i + 1) * share, slots) - 1);
      await node.admin.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    }
    const [first] = nodes as [RedisServer];
    for (const node of nodes.slice(1)) await meet(first, node);
    await untilTrue(async () => {
      const infos = await Promise.all(nodes.map((node) => node.admin.cluster('INFO')));
      return infos.every(
        (text) => String(text).includes('cluster_state:ok') && String(text).includes('cluster_known_nodes:3'),
      );
    }, 'the cluster is whole');
    return new RedisCluster(nodes, wanted);
  }

  get url(): string {
    const [first] = this.nodes as [RedisServer];
    const hosts = this.nodes.map(({ port }) => `${host}:${port}`).join(',');
    return first.url.replace(/:.*$/, `+cluster://${hosts}`);
  }

  /** A replica of that node, which takes over when it dies. */
  async addReplica(master: RedisServer): Promise<RedisServer> {
    const [port = 0] = await freePorts(1);
    const replica = await startNode(port, this.#wanted);
    this.#replicas.push(replica);
    const id = String(await master.admin.cluster('MYID'));
    await meet(master, replica);
    await untilTrue(
      async () => String(await replica.admin.cluster('NODES')).includes(`${id} ${host}:${master.port}`),
      'the new node knows the master',
    );
    await replica.admin.call('CLUSTER', 'REPLICATE', id);
    const replicas = (node: RedisServer) => node.admin.call('CLUSTER', 'REPLICAS', id) as Promise<string[]>;
    await untilTrue(async () => {
      const known = await Promise.all(this.nodes.map(replicas));
      const isUp = (await replica.admin.info('replication')).includes('master_link_status:up');
      return isUp && known.every((list) => list.length > 0);
    }, 'the replica follows, and all know it');
    return replica;
  }

  /** The node that serves a slot. */
  ownerOf(slot: number): RedisServer {
    return this.nodes[Math.floor(slot / share)] as RedisServer;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.nodes, ...this.#replicas].map((node) => node.stop()));
  }
}

async function startNode(port: number, wanted: RedisSettings): Promise<RedisServer> {
  // the port of the cluster bus stands beside the port
  const [bus] = await freePorts(1);
  const own = [
    'cluster-enabled yes',
    'cluster-node-timeout 1000',
    'cluster-require-full-coverage no',
    `cluster-port ${bus}`,
  ];
  return RedisServer.startAt(port, { ...wanted, settings: [...own, ...(wanted.settings ?? [])] });
}

async function meet(one: RedisServer, other: RedisServer): Promise<void> {
  const bus = /^cluster-port (\d+)$/m.exec(await readConfig(other))?.[1] ?? '';
  await one.admin.call('CLUSTER', 'MEET', host, other.port, bus);
}

async function readConfig({ directory }: RedisServer): Promise<string> {
  return readFile(join(directory, 'redis.conf'), 'utf8');
}

/** A master, its replica, and three Sentinels that let the replica take over. */
export class RedisWithSentinels {
  readonly servers: readonly [RedisServer, RedisServer];
  readonly #sentinels: readonly RedisServer[];

  private constructor(servers: readonly [RedisServer, RedisServer], sentinels: readonly RedisServer[]) {
    this.servers = servers;
    this.#sentinels = sentinels;
  }

  /** `sentinel`: settings of the Sentinels, and how we talk to them. */
  static async start(wanted: RedisSettings = {}, sentinel: RedisSettings = {}): Promise<RedisWithSentinels> {
    const own = wanted.settings ?? [];
    const master = await RedisServer.start(wanted);
    const replica = await RedisServer.start({ ...wanted, settings: [...own, `replicaof ${host} ${master.port}`] });
    await untilTrue(
      async () => (await replica.admin.info('replication')).includes('master_link_status:up'),
      'the replica follows',
    );
    const settings = [
      `sentinel monitor kept ${host} ${master.port} 2`,
      'sentinel down-after-milliseconds kept 500',
      'sentinel failover-timeout kept 1000',
      ...(sentinel.settings ?? []),
    ];
    const sentinels = await Promise.all(
      [1, 2, 3].map(() => RedisServer.start({ ...sentinel, settings, sentinel: true })),
    );
    await untilTrue(async () => {
      const known = await Promise.all(
        sentinels.map((one) => one.admin.call('SENTINEL', 'CKQUORUM', 'kept').catch(() => '')),
      );
      const replicas = await Promise.all(
        sentinels.map(async (one) => (await one.admin.call('SENTINEL', 'REPLICAS', 'kept')) as unknown[]),
      );
      return known.every((text) => String(text).startsWith('OK 3')) && replicas.every((list) => list.length === 1);
    }, 'the Sentinels know each other');
    return new RedisWithSentinels([master, replica], sentinels);
  }

  get url(): string {
    const hosts = this.#sentinels.map(({ port }) => `${host}:${port}`).join(',');
    return this.servers[0].url.replace(/:.*$/, `+sentinel://${hosts}/kept`);
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#sentinels, ...this.servers].map((one) => one.stop()));
  }
}

export async function untilTrue(check: () => Promise<boolean>, what: string, withinMs = 15_000): Promise<void> {
  for (const lastMs = Date.now() + withinMs; Date.now() < lastMs; ) {
    if (await check()) return;
    await delay(30);
  }
  throw new Error(`not within ${withinMs} ms: ${what}`);
}
