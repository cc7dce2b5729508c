import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePorts, type OwnedProcess, startOwned } from './owned-process.ts';
import { pushTo, type PushReply } from './push-world.ts';

const program = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));

export interface SharedStart {
  readonly role: 'ingest' | 'decide';
  readonly name: string;
  /** Of a test: logs lie there. */
  readonly directory: string;
  readonly workspace: string;
  readonly redis: string;
  readonly options?: readonly string[];
}

/** One of several `nanoseg controller` that share the work on a workspace over Redis; it dies with the test at the latest. */
export class SharedProcess {
  /** Where flows are pushed to, or where the API is. */
  readonly port: number;
  readonly healthPort: number;
  readonly #process: OwnedProcess;
  readonly #logFile: string;

  private constructor(process: OwnedProcess, logFile: string, port: number, healthPort: number) {
    this.#process = process;
    this.#logFile = logFile;
    this.port = port;
    this.healthPort = healthPort;
  }

  static async start({ role, name, directory, workspace, redis, options = [] }: SharedStart): Promise<SharedProcess> {
    const [port = 0, health = 0] = await freePorts(2);
    const own = role === 'ingest' ? ['--push-port', `${port}`, '--flush', '1s'] : ['--http-port', `${port}`];
    const args = ['--role', role, '--workspace', workspace, '--redis', redis, '--health-port', `${health}`];
    const pace = ['--lease', '2s', '--interval', '1s', '--log-level', 'info'];
    const logFile = join(directory, `${name}.log`);
    const started = startOwned(
      process.execPath,
      [program, 'controller', ...args, ...own, ...pace, ...options],
      logFile,
    );
    return new SharedProcess(started, logFile, port, health);
  }

  log(): Promise<string> {
    return readFile(this.#logFile, 'utf8');
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

  /** As a pod is ended; resolves when it has. */
  async end(withinMs = 20_000): Promise<string> {
    process.kill(this.#process.pid, 'SIGTERM');
    for (const lastMs = Date.now() + withinMs; Date.now() < lastMs; await sleep(50)) {
      const ended = this.#process.exited();
      if (ended !== undefined) return ended;
    }
    throw new Error(`it does not end: ${await this.#process.log()}`);
  }

  async metric(name: string): Promise<number> {
    const response = await fetch(`http://127.0.0.1:${this.healthPort}/metrics`).catch(() => undefined);
    const text = (await response?.text()) ?? '';
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
  }

  push(headers: Readonly<Record<string, string>>, body: string): Promise<PushReply | undefined> {
    return pushTo({ host: '127.0.0.1', port: this.port, headers, body }).catch(() => undefined);
  }
}
