import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** One try to reach somebody, with a connection or datagram of its own. */
export interface Probe {
  readonly protocol: 'TCP' | 'UDP';
  readonly address: string;
  readonly port: number;
  /** The address to send from, where the host has several. */
  readonly from?: string;
  /** Far more than any outcome needs: every outcome but `silent` is told by a packet that came back. */
  readonly withinMs: number;
}

/**
 * `answered` by that host, which took that address for its client; `refused` by the other host, where nobody listens;
 * `blocked` by the node, which said so; `silent`: neither, so that the test cannot tell.
 */
export type ProbeResult =
  | { readonly outcome: 'answered'; readonly by: string; readonly client: string }
  | { readonly outcome: 'refused' | 'blocked' }
  | { readonly outcome: 'silent'; readonly detail: string };

export type HeldState = 'alive' | 'broken';

export type PeerRequest = { readonly id: number } & PeerTask;
type PeerTask =
  | {
      readonly do: 'listen';
      readonly tcp: readonly number[];
      readonly udp: readonly number[];
      readonly addresses: readonly string[];
    }
  | { readonly do: 'probe'; readonly probes: readonly Probe[] }
  | { readonly do: 'hold'; readonly key: string; readonly address: string; readonly port: number }
  | { readonly do: 'say'; readonly key: string; readonly withinMs: number };

export type PeerAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string };

const program = fileURLToPath(new URL('network-peer.ts', import.meta.url));
const withinMs = 10_000;
const heldAnswerMs = 5_000;

/** A network namespace with one process of ours in it, which serves and connects as we say. It dies with the test. */
export class NetworkHost {
  readonly name: string;
  readonly #addresses: readonly string[];
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>();
  #lastId = 0;
  #errors = '';

  private constructor(name: string, addresses: readonly string[], child: ChildProcess) {
    this.name = name;
    this.#addresses = addresses;
    this.#child = child;
    child.stderr?.on('data', (text) => {
      this.#errors = `${this.#errors}${text}`.slice(-2000);
    });
    child.on('message', (answer: PeerAnswer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ('error' in answer) waiting?.reject(new Error(answer.error));
      else waiting?.resolve(answer.result);
    });
    child.on('exit', (code, signal) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the process in ${name} ended (${code ?? signal}): ${this.#errors}`));
      }
      this.#waiting.clear();
    });
  }

  /** `settings`: of the kernel for this namespace, path below /proc/sys to value. */
  static async start(
    name: string,
    namespace: string,
    addresses: readonly string[],
    settings: Readonly<Record<string, string>>,
  ): Promise<NetworkHost> {
    const inside = ['ip', 'netns', 'exec', namespace, process.execPath, program, name, JSON.stringify(settings)];
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...inside], {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const host = new NetworkHost(name, addresses, child);
    await host.#answerTo(0);
    return host;
  }

  /** Of the process in it. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Servers on these ports of all addresses, until the end. */
  async listen(tcp: readonly number[], udp: readonly number[]): Promise<void> {
    await this.#ask({ do: 'listen', tcp, udp, addresses: this.#addresses });
  }

  /** All at once; the results in the order of the probes. */
  async probe(probes: readonly Omit<Probe, 'withinMs'>[]): Promise<readonly ProbeResult[]> {
    const patient = probes.map((probe) => ({ ...probe, withinMs }));
    return (await this.#ask({ do: 'probe', probes: patient })) as readonly ProbeResult[];
  }

  /** Opens a TCP connection that stays. */
  async hold(key: string, address: string, port: number): Promise<void> {
    await this.#ask({ do: 'hold', key, address, port });
  }

  /** Says something on a connection that was opened before, and waits for the answer. */
  async say(key: string): Promise<HeldState> {
    return (await this.#ask({ do: 'say', key, withinMs: heldAnswerMs })) as HeldState;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #ask(task: PeerTask): Promise<unknown> {
    const id = ++this.#lastId;
    const answer = this.#answerTo(id);
    this.#child.send({ id, ...task } satisfies PeerRequest);
    return answer;
  }

  #answerTo(id: number): Promise<unknown> {
    const waiting = Promise.withResolvers<unknown>();
    this.#waiting.set(id, waiting);
    return waiting.promise;
  }
}
