import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type {
  ConntrackCounters,
  ConntrackSourceOptions,
} from '../../controller/adapters/conntrack/conntrack-source.ts';
import type { Flow, FlowLoss } from '../../controller/model/flow.ts';
import type { Problem } from '../../controller/model/problem.ts';
import type { FlowBatch, RejectedRecord } from '../../controller/ports.ts';
import { eventually } from './recording-sink.ts';

/** What the child is told. Paused, it takes no batch, so that nothing is read. */
export type ToConntrack = 'stop' | 'pause' | 'resume';

/** What the child tells: a batch, or that it ended and why. */
export interface FromConntrack {
  readonly batch?: FlowBatch;
  readonly ended?: string;
  readonly counters: ConntrackCounters;
  readonly findings: readonly Problem[];
}

const program = fileURLToPath(new URL('conntrack-child.ts', import.meta.url));

/** The real source at work in a network namespace. */
export class ConntrackListener {
  readonly flows: Flow[] = [];
  readonly losses: FlowLoss[] = [];
  readonly rejected: RejectedRecord[] = [];
  readonly #child: ChildProcess;
  #last: FromConntrack | undefined;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message: FromConntrack) => {
      this.#last = message;
      this.flows.push(...(message.batch?.flows ?? []));
      this.losses.push(...(message.batch?.losses ?? []));
      this.rejected.push(...(message.batch?.rejected ?? []));
    });
  }

  /** Resolves when it has read the first table; `command` stands before the program, as `setpriv` does. */
  static async start(
    t: ExecutionContext,
    namespace: string,
    options: Partial<ConntrackSourceOptions> = {},
    command: readonly string[] = [],
  ): Promise<ConntrackListener> {
    const inside = ['ip', 'netns', 'exec', namespace, ...command, process.execPath, program];
    const child = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', '--', ...inside, JSON.stringify({ node: 'node-1', ...options })],
      { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' },
    );
    const listener = new ConntrackListener(child);
    t.teardown(() => listener.stop());
    const isReady = () => (listener.counters?.tables ?? 0) > 0 || listener.ended !== undefined;
    await eventually(isReady, 'the source listens');
    return listener;
  }

  get counters(): ConntrackCounters | undefined {
    return this.#last?.counters;
  }

  get findings(): readonly Problem[] {
    return this.#last?.findings ?? [];
  }

  /** Why it ended; undefined while it runs. */
  get ended(): string | undefined {
    return this.#last?.ended;
  }

  /** Flows between two addresses on a port of the server's, so far. */
  between(client: string, server: string, port: number): readonly Flow[] {
    return this.flows.filter((flow) => flow.client.ip === client && flow.server.ip === server && flow.port === port);
  }

  tell(what: ToConntrack): void {
    // it may be at its end already
    this.#child.send(what, () => undefined);
  }

  /** Ends it and waits for what it still had. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    if (this.#child.connected) this.tell('stop');
    await gone;
  }
}
