import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
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
  readonly access?: { readonly username?: string; readonly password?: string; readonly tls?: { readonly ca: string } };
  readonly sentinel?: boolean;
  /** PEM: it takes nothing but TLS. */
  readonly tls?: { readonly certificate: string; readonly privateKey: string; readonly authority: string };
}

/** A real redis-server of a test, in a directory of its own; without persistence unless the settings say otherwise. */
export class RedisServer {
  readonly port: number;
  readonly #directory: string;
  readonly #sentinel: boolean;
  #process: OwnedProcess | undefined;
  /** For the test itself. */
  readonly admin: Redis;

  private constructor(port: number, directory: string, { access, sentinel }: RedisSettings) {
    this.port = port;
    this.#directory = directory;
    this.#sentinel = sentinel ?? false;
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
    return `redis://${host}:${this.port}`;
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
  return ['port 0', `tls-port ${port}`, 'tls-auth-clients no', ...named];
}

/** Three masters that share the slots, and nothing else. */
export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(wanted: RedisSettings = {}): Promise<RedisCluster> {
    const settings = [
      'cluster-enabled yes',
      'cluster-node-timeout 2000',
      'cluster-require-full-coverage no',
      ...(wanted.settings ?? []),
    ];
    const nodes: RedisServer[] = [];
    // the port of the cluster bus stands beside the port
    for (const port of await freePorts(3)) {
      nodes.push(
        await RedisServer.startAt(port, {
          ...wanted,
          settings: [...settings, `cluster-port ${(await freePorts(1))[0]}`],
        }),
      );
    }
    for (const [i, node] of nodes.entries()) {
      await node.admin.call('CLUSTER', 'ADDSLOTSRANGE', i * share, Math.min((i + 1) * share, slots) - 1);
      await node.admin.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
    }
    const [first] = nodes as [RedisServer];
    for (const node of nodes.slice(1)) {
      const bus = /^cluster-port (\d+)$/m.exec(await readConfig(node))?.[1] ?? '';
      await first.admin.call('CLUSTER', 'MEET', host, node.port, bus);
    }
    await untilTrue(async () => {
      const infos = await Promise.all(nodes.map((node) => node.admin.cluster('INFO')));
      return infos.every(
        (text) => String(text).includes('cluster_state:ok') && String(text).includes('cluster_known_nodes:3'),
      );
    }, 'the cluster is whole');
    return new RedisCluster(nodes);
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `${host}:${port}`).join(',')}`;
  }

  /** The node that serves a slot. */
  ownerOf(slot: number): RedisServer {
    return this.nodes[Math.floor(slot / share)] as RedisServer;
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()));
  }
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

  static async start(): Promise<RedisWithSentinels> {
    const master = await RedisServer.start();
    const replica = await RedisServer.start({ settings: [`replicaof ${host} ${master.port}`] });
    await untilTrue(
      async () => (await replica.admin.info('replication')).includes('master_link_status:up'),
      'the replica follows',
    );
    const settings = [
      `sentinel monitor kept ${host} ${master.port} 2`,
      'sentinel down-after-milliseconds kept 500',
      'sentinel failover-timeout kept 3000',
    ];
    const sentinels = await Promise.all([1, 2, 3].map(() => RedisServer.start({ settings, sentinel: true })));
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
    return `redis+sentinel://${this.#sentinels.map(({ port }) => `${host}:${port}`).join(',')}/kept`;
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
