import { randomUUID } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type OwnedProcess, startOwned } from './owned-process.ts';

export interface ControllerStart {
  /** Whoever has the same name later goes on with the same evidence. */
  readonly name: string;
  /** For its log, and its evidence unless `evidence` is another place; made when it is not there. */
  readonly directory: string;
  readonly kubeconfig: string;
  /** Followed flow files. */
  readonly flows: readonly string[];
  /** Where the API server is told to find the webhook; by default at the controller's own port. */
  readonly webhook?: { readonly port: number; readonly url: string } | 'none';
  readonly options?: readonly string[];
  /** Modules to load before the program. */
  readonly imports?: readonly string[];
}

export interface LogLine {
  /** 30: information, 40: a warning, 50: an error. */
  readonly level: number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

const program = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const withinMs = 60_000;

/** `nanoseg controller` as a process of its own, as a pod would run it; it dies with the test at the latest. */
export class ControllerProcess {
  readonly logFile: string;
  readonly dataDirectory: string;
  readonly #process: OwnedProcess;

  private constructor(process: OwnedProcess, logFile: string, dataDirectory: string) {
    this.#process = process;
    this.logFile = logFile;
    this.dataDirectory = dataDirectory;
  }

  static async start(start: ControllerStart): Promise<ControllerProcess> {
    const { name, directory, kubeconfig, flows, webhook, options = [], imports = [] } = start;
    const dataDirectory = join(directory, `${name}-data`);
    await mkdir(dataDirectory, { recursive: true });
    const logFile = join(directory, `${name}-${randomUUID().slice(0, 8)}.log`);
    const { port, url } =
      webhook === undefined || webhook === 'none' ? { port: 0, url: 'https://127.0.0.1:0' } : webhook;
    const args = [
      ...imports.map((file) => `--import=${file}`),
      program,
      'controller',
      '--kubeconfig',
      kubeconfig,
      // whoever shares the work keeps nothing of its own
      ...(options.includes('--role') ? [] : ['--data-dir', dataDirectory]),
      ...(flows.length === 0 ? [] : ['--flows', ...flows]),
      ...(webhook === 'none' ? [] : ['--webhook-port', String(port), '--webhook-url', url]),
      ...options,
    ];
    return new ControllerProcess(startOwned(process.execPath, args, logFile), logFile, dataDirectory);
  }

  /** Undefined while it runs; `exit code 0`, `SIGKILL`. */
  exited(): string | undefined {
    return this.#process.exited();
  }

  /** At once, with no chance to tidy up. */
  kill(): Promise<void> {
    return this.#process.kill();
  }

  /** It does not run, and does not know, until `resume`. */
  pause(): void {
    process.kill(this.#process.pid, 'SIGSTOP');
  }

  resume(): void {
    process.kill(this.#process.pid, 'SIGCONT');
  }

  /** As the kubelet would end it; answers with how it ended. */
  async terminate(): Promise<string> {
    process.kill(this.#process.pid, 'SIGTERM');
    return this.end();
  }

  /** Waits for it to end by itself; answers with how. */
  async end(): Promise<string> {
    await this.#until('its end', () => this.exited() !== undefined);
    return this.exited() ?? '';
  }

  /** Throws with what it wrote last when it ended and nobody here killed it. */
  async assertAlive(): Promise<void> {
    const end = this.exited();
    if (end === undefined || end === 'SIGKILL') return;
    throw new Error(`a controller ended with ${end}: ${(await this.output()).slice(-4000)}`);
  }

  /** What it wrote. */
  async output(): Promise<string> {
    return readFile(this.logFile, 'utf8');
  }

  async log(): Promise<LogLine[]> {
    const lines = (await this.output()).split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as LogLine);
  }

  /** Resolves when it has logged that message, for the how-manieth time. */
  logged(message: string, times = 1): Promise<void> {
    return this.#until(`"${message}" in its log`, async () => {
      await this.assertAlive();
      return (await this.log()).filter(({ msg }) => msg === message).length >= times;
    });
  }

  async #until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`not in time: ${what}\n${(await this.output()).slice(-4000)}`);
      await sleep(20);
    }
  }
}
