import type { ExecutionContext } from 'ava';
import type {
  ConntrackCounters,
  ConntrackSourceOptions,
} from '../../controller/adapters/conntrack/conntrack-source.ts';
import type { Flow, FlowLoss, ObservedTime } from '../../controller/model/flow.ts';
import type { Problem } from '../../controller/model/problem.ts';
import type { RejectedRecord } from '../../controller/ports.ts';
import { ConntrackProcess } from './conntrack-process.ts';
import { eventually } from './recording-sink.ts';

/** The real source at work in a network namespace, and all that it told. */
export class ConntrackListener {
  readonly flows: Flow[] = [];
  /** But for the word that it begins to listen. */
  readonly losses: FlowLoss[] = [];
  readonly observed: ObservedTime[] = [];
  readonly rejected: RejectedRecord[] = [];
  readonly #process: ConntrackProcess;
  readonly #stop = new AbortController();
  #taking = Promise.withResolvers<void>();
  #reading = Promise.resolve();
  #ended: string | undefined;

  private constructor(source: ConntrackProcess) {
    this.#process = source;
    this.resume();
  }

  /** Resolves when it has read the first table; `command` stands before the program, as `setpriv` does. */
  static async start(
    t: ExecutionContext,
    namespace: string,
    options: Partial<ConntrackSourceOptions> = {},
    command: readonly string[] = [],
  ): Promise<ConntrackListener> {
    const listener = new ConntrackListener(new ConntrackProcess(namespace, options, command));
    t.teardown(() => listener.stop());
    listener.#reading = listener.#read();
    const isReady = () => (listener.counters?.tables ?? 0) > 0 || listener.ended !== undefined;
    await eventually(isReady, 'the source listens');
    return listener;
  }

  get counters(): ConntrackCounters | undefined {
    return this.#process.counters;
  }

  get findings(): readonly Problem[] {
    return this.#process.findings;
  }

  /** Why it ended; undefined while it runs. */
  get ended(): string | undefined {
    return this.#ended;
  }

  /** Flows between two addresses on a port of the server's, so far. */
  between(client: string, server: string, port: number): readonly Flow[] {
    return this.flows.filter((flow) => flow.client.ip === client && flow.server.ip === server && flow.port === port);
  }

  /** It takes one batch more at most. */
  pause(): void {
    this.#taking = Promise.withResolvers();
  }

  resume(): void {
    this.#taking.resolve();
  }

  /** Ends it and waits for what it still had. */
  async stop(): Promise<void> {
    this.resume();
    this.#stop.abort();
    await this.#reading;
    await this.#process.kill();
  }

  async #read(): Promise<void> {
    try {
      for await (const { flows, losses, observed = [], rejected } of this.#process.batches(this.#stop.signal)) {
        this.flows.push(...flows);
        this.losses.push(...losses.filter(({ kind }) => kind !== 'started'));
        this.observed.push(...observed);
        this.rejected.push(...rejected);
        await this.#taking.promise;
      }
      this.#ended = '';
    } catch (error) {
      this.#ended = (error as Error).message;
    }
  }
}
