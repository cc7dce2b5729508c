import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { inNamespace, type LabNode } from './lab.ts';

/** A connection that a policy on a node dropped, as nft's trace tells it. */
export interface DeniedPacket {
  readonly timeMs: number;
  readonly node: string;
  readonly source: string;
  readonly destination: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** Listens to one node's kernel: conntrack events as they are, and packets that its policies drop. */
export class NodeRecording {
  readonly node: LabNode;
  readonly lines: string[] = [];
  readonly denied: DeniedPacket[] = [];
  readonly #children: ChildProcess[] = [];
  #warnings = '';
  #stopping = false;

  constructor(node: LabNode) {
    this.node = node;
  }

  /** The listener first, then the table as it is: nothing can fall between the two. */
  async start(): Promise<void> {
    this.#listen(['conntrack', '-E', '-o', 'extended,timestamp,id'], (line) => this.lines.push(line));
    this.#listen(['nft', 'monitor', 'trace'], (line) => this.#readTrace(line));
    await sleep(800);
    const [command = '', ...args] = inNamespace(this.node.name, ['conntrack', '-L', '-o', 'extended,id']);
    const table = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    // Lines of the table have no time of their own: they get the time of the table, in the form that events have it.
    const time = `[${(Date.now() / 1_000).toFixed(6)}]`;
    for (const line of table.split('\n')) if (line !== '') this.lines.push(`${time}\t${line}`);
  }

  /** Ends the listeners. Throws when the kernel had to drop events: such a recording is of no use as an example. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const child of this.#children) {
      const exit = once(child, 'exit');
      child.kill('SIGINT');
      await exit;
    }
    if (this.#warnings.includes('ENOBUFS')) throw new Error(`${this.node.name}: conntrack lost events; record again`);
  }

  #listen(command: readonly string[], onLine: (line: string) => void): void {
    const [program = '', ...args] = inNamespace(this.node.name, command);
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    createInterface({ input: child.stdout }).on('line', onLine);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#warnings += text;
    });
    child.on('exit', (code) => {
      if (!this.#stopping)
        throw new Error(`${command.join(' ')} on ${this.node.name} ended with ${code}: ${this.#warnings}`);
    });
    this.#children.push(child);
  }

  /** The first line of a trace has the packet's addresses; only packets that a policy drops are traced at all. */
  #readTrace(line: string): void {
    const packet = /packet: .* ip6? saddr (\S+) ip6? daddr (\S+) .*tcp sport (\d+) tcp dport (\d+)/.exec(line);
    if (!packet) return;
    const [, source = '', destination = '', sourcePort, destinationPort] = packet;
    this.denied.push({
      timeMs: Date.now(),
      node: this.node.name,
      source,
      destination,
      sourcePort: Number(sourcePort),
      destinationPort: Number(destinationPort),
    });
  }
}
