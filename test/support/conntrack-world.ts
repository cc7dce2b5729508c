import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Flow, unnamedPeer } from '../../controller/model/flow.ts';
import type { FlowBatch, FlowSource } from '../../controller/ports.ts';
import { ConntrackProcess } from './conntrack-process.ts';
import { NetworkNode } from './network-node.ts';
import { eventually } from './recording-sink.ts';

const exec = promisify(execFile);
const sender = fileURLToPath(new URL('send-packets.ts', import.meta.url));

const client = { name: 'client', ipv4: '10.244.1.10', ipv6: 'fd00:10:244:1::10' };
const server = { name: 'server', ipv4: '10.244.1.20', ipv6: 'fd00:10:244:1::20' };
const node = { name: 'node', ipv4: '192.0.2.10', ipv6: '2001:db8:2::10' };
/** The node of all that happens here. */
const ownNode = 'node-b';
/** The first port that packets are sent from. */
const firstPort = 20_000;
const firstTarget = 1_000;
/** Room for some 800 events; the kernel takes twice of what it is asked for. */
const bufferBytes = 1 << 19;
const tooMany = 5_000;
/** No test lasts longer. */
const longMs = 60_000;

/** A node of network namespaces whose kernel tracks connections, and the real source in it, a process for each. */
export class ConntrackWorld {
  readonly opening = [{ source: 'conntrack', node: ownNode, events: undefined, kind: 'started' }] as const;
  readonly resumes = false;
  readonly #node: NetworkNode;
  readonly #clientNamespace: string;
  readonly #sources: ListeningSource[] = [];
  #port = firstTarget;

  private constructor(network: NetworkNode) {
    this.#node = network;
    this.#clientNamespace = network.namespace.slice(0, -node.name.length) + client.name;
  }

  static async open(): Promise<ConntrackWorld> {
    return new ConntrackWorld(await NetworkNode.start({ node, pods: [client, server], outside: [], services: [] }));
  }

  /** A new process knows nothing of what others saw, whatever the position. */
  source(): FlowSource {
    const source = new ListeningSource(this.#node.namespace);
    this.#sources.push(source);
    return source;
  }

  readers(): number {
    return this.#sources.filter(({ listens }) => listens).length;
  }

  /** Datagrams that nobody answers: a connection each, of which the kernel tells once while it stands. */
  async play(count: number): Promise<readonly Flow[]> {
    const port = this.#port++;
    await this.#send(port, count);
    return Array.from({ length: count }, (_, i) => flowOf(firstPort + i, port));
  }

  /** Of UDP the table does not say who sent first, so that it is no evidence; that nobody answered it does. */
  standing(played: readonly Flow[]): readonly Flow[] {
    return played.map((flow) => ({ ...flow, directed: false, answered: false }));
  }

  /** More than there is room for while nobody reads. */
  async lose() {
    const [source] = this.#sources.filter(({ listens }) => listens);
    if (source === undefined) throw new Error('nobody listens');
    source.hold();
    await this.play(1);
    await eventually(() => source.isHeld, 'it has the last batch that it asked for');
    await this.#send(this.#port++, tooMany);
    source.release();
    const events = await droppedOf(source.pid);
    return { source: 'conntrack', node: ownNode, events, kind: 'lost' } as const;
  }

  async close(): Promise<void> {
    await Promise.all(this.#sources.map((source) => source.kill()));
    await this.#node.stop();
  }

  async #send(port: number, count: number): Promise<void> {
    const args = [sender, 'udp', server.ipv4, String(port), String(count)];
    await exec('ip', ['netns', 'exec', this.#clientNamespace, process.execPath, ...args]);
  }
}

/** The source in its process; times are the kernel's, and are put to 0 when they are of this test. */
class ListeningSource implements FlowSource {
  readonly name = 'conntrack';
  listens = false;
  isHeld = false;
  readonly #process: ConntrackProcess;
  #held = Promise.withResolvers<void>();

  constructor(namespace: string) {
    this.#process = new ConntrackProcess(namespace, { node: ownNode, bufferBytes });
    this.release();
  }

  get pid(): number {
    return this.#process.pid;
  }

  progress() {
    return this.#process.progress();
  }

  async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch, void, void> {
    try {
      for await (const batch of this.#process.batches(signal)) {
        // the first one is told by whoever listens
        this.listens = true;
        yield { ...batch, flows: batch.flows.map(timeless) };
        this.isHeld = true;
        await this.#held.promise;
        this.isHeld = false;
      }
    } finally {
      this.listens = false;
    }
  }

  /** After the batch that is asked for nothing is read, until released. */
  hold(): void {
    this.#held = Promise.withResolvers();
  }

  release(): void {
    this.#held.resolve();
  }

  kill(): Promise<void> {
    return this.#process.kill();
  }
}

function timeless(flow: Flow): Flow {
  const isRecent = [flow.timeMs, flow.endMs].every((ms) => Math.abs(Date.now() - ms) < longMs);
  return isRecent ? { ...flow, timeMs: 0, endMs: 0 } : flow;
}

function flowOf(clientPort: number, port: number): Flow {
  return {
    timeMs: 0,
    endMs: 0,
    client: { ...unnamedPeer, ip: client.ipv4 },
    server: { ...unnamedPeer, ip: server.ipv4 },
    clientPort,
    port,
    addressed: undefined,
    protocol: 17,
    directed: true,
    verdict: 'allowed',
    answered: undefined,
    connections: 1,
    bytes: 0,
    source: 'conntrack',
    node: ownNode,
  };
}

/** What the kernel dropped for the socket that listens to connection tracking (protocol 12, groups 7) in that process. */
export async function droppedOf(pid: number): Promise<number> {
  const table = await readFile(`/proc/${pid}/net/netlink`, 'utf8');
  const rows = table.split('\n').map((line) => line.trim().split(/\s+/));
  const own = rows.filter((cells) => cells[1] === '12' && cells[3] === '00000007');
  return own.reduce((sum, cells) => sum + Number(cells[8]), 0);
}
