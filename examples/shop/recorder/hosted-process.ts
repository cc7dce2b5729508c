import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { inNamespace } from './lab.ts';
import type { Order } from './pod-process.ts';

const program = fileURLToPath(new URL('./pod-process.ts', import.meta.url));

/** A program that runs inside of a namespace and obeys orders; it ends when its input is closed. */
export class HostedProcess {
  readonly #child: ChildProcess;
  readonly #heard = new Map<string, () => void>();
  #stopping = false;

  /** `onFailure` gets one line per call that failed. */
  constructor(namespace: string, onFailure: (line: string) => void) {
    const [command = '', ...args] = inNamespace(namespace, [process.execPath, program]);
    this.#child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { PATH: process.env['PATH'] } });
    // Nobody could say any more what was recorded: end the whole run, and with it everything.
    this.#child.on('exit', (code) => {
      if (!this.#stopping) throw new Error(`a process in ${namespace} ended by itself with ${code}`);
    });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('failed ')) onFailure(line.slice('failed '.length));
      else this.#heard.get(line)?.();
    });
  }

  send(order: Order): void {
    this.#child.stdin?.write(`${JSON.stringify(order)}\n`);
  }

  /** Sends an order and waits until the program says the word. */
  async ask(order: Order, word: string): Promise<void> {
    const heard = new Promise<void>((resolve) => this.#heard.set(word, resolve));
    this.send(order);
    await heard;
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    const exit = once(this.#child, 'exit');
    this.#child.stdin?.end();
    await exit;
  }
}
