import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type {
  ConntrackCounters,
  ConntrackSourceOptions,
} from '../../controller/adapters/conntrack/conntrack-source.ts';
import type { Problem } from '../../controller/model/problem.ts';
import type { FlowBatch, FlowSource } from '../../controller/ports.ts';

/** What the child is told: to ask the source for batches, for the next of them, to abort, and that no more are wanted. */
export interface ToConntrack {
  readonly id: number;
  readonly task: 'open' | 'next' | 'stop' | 'close';
}

/** What the child tells: the answer to what it was told, and by and by what it has counted. No batch: there are no more. */
export interface FromConntrack {
  readonly id?: number;
  readonly batch?: FlowBatch | undefined;
  readonly failure?: { readonly message: string; readonly retryable: boolean | undefined };
  readonly counters: ConntrackCounters;
  readonly findings: readonly Problem[];
}

const program = fileURLToPath(new URL('conntrack-child.ts', import.meta.url));

/** The real source at work in a process in a network namespace: taken at the pace of whoever asks here. */
export class ConntrackProcess implements FlowSource {
  readonly name = 'conntrack';
  readonly #child: ChildProcess;
  readonly #asked = new Map<number, PromiseWithResolvers<FlowBatch | undefined>>();
  #lastId = 0;
  #last: FromConntrack | undefined;

  /** `command` stands before the program, as `setpriv` does. */
  constructor(namespace: string, options: Partial<ConntrackSourceOptions> = {}, command: readonly string[] = []) {
    const inside = ['ip', 'netns', 'exec', namespace, ...command, process.execPath, program];
    this.#child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', ...inside, JSON.stringify({ node: 'node-1', ...options })],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' },
    );
    this.#child.on('message', (message: FromConntrack) => {
      this.#last = message;
      if (message.id === undefined) return;
      const asked = this.#asked.get(message.id);
      this.#asked.delete(message.id);
      if (message.failure === undefined) asked?.resolve(message.batch);
      else asked?.reject(Object.assign(new Error(message.failure.message), message.failure));
    });
    this.#child.on('exit', () => {
      for (const { reject } of this.#asked.values()) reject(new Error('the process has ended'));
      this.#asked.clear();
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get counters(): ConntrackCounters | undefined {
    return this.#last?.counters;
  }

  get findings(): readonly Problem[] {
    return this.#last?.findings ?? [];
  }

  progress() {
    return { doneBytes: 0, totalBytes: undefined };
  }

  async *batches(signal: AbortSignal): AsyncGenerator<FlowBatch, void, void> {
    const stop = () => void this.#ask('stop').catch(() => undefined);
    signal.addEventListener('abort', stop, { once: true });
    try {
      await this.#ask('open');
      if (signal.aborted) await this.#ask('stop');
      for (let batch = await this.#ask('next'); batch !== undefined; batch = await this.#ask('next')) yield batch;
    } finally {
      signal.removeEventListener('abort', stop);
      await this.#ask('close').catch(() => undefined);
    }
  }

  /** Ends the process at once. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await gone;
  }

  #ask(task: ToConntrack['task']): Promise<FlowBatch | undefined> {
    const id = ++this.#lastId;
    const asked = Promise.withResolvers<FlowBatch | undefined>();
    this.#asked.set(id, asked);
    this.#child.send({ id, task } satisfies ToConntrack, (error) => error && asked.reject(error));
    return asked.promise;
  }
}
