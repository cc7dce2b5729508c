import { encodeFlow, encodeLoss, encodeObserved } from './adapters/flow-file/nanoseg-line.ts';
import type { Clock, FlowBatch, FlowSource, RejectedRecord } from './ports.ts';
import { reconnecting, type SourceState } from './intake/reconnecting.ts';

/** Where the lines of a recording go. */
export interface Recording {
  /** Takes lines without their newlines; resolves when more may come, rejects when they cannot be written. */
  write(lines: readonly string[]): Promise<void>;
  /** Called every so often: what is due by now is written out. */
  tick(): Promise<void>;
}

export interface RecordedSource {
  readonly name: string;
  readonly state: SourceState;
  /** Why it does not deliver, in words; empty while it does and when it ended. */
  readonly message: string;
  /** Whether it ever delivered anything. */
  readonly delivered: boolean;
  readonly records: number;
  readonly flows: number;
  readonly losses: number;
  readonly rejected: number;
  /** The first records that could not be used. */
  readonly rejections: readonly RejectedRecord[];
}

export interface RecorderOptions {
  readonly sources: readonly FlowSource[];
  readonly recording: Recording;
  readonly clock: Clock;
  readonly random: () => number;
  /** Called at every change of a source's state. */
  readonly onState?: (source: RecordedSource) => void;
  /** Called every so often while it runs. */
  readonly onTick?: () => void;
}

const tickMs = 200;
const shownRejections = 5;

/** Writes everything that sources deliver, flows and losses, as lines that read back as the same flows and losses. */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #recorded = new Map<FlowSource, RecordedSource>();

  constructor(options: RecorderOptions) {
    this.#options = options;
    for (const source of options.sources) this.#recorded.set(source, untouched(source.name));
  }

  get sources(): readonly RecordedSource[] {
    return [...this.#recorded.values()];
  }

  /** Until aborted, or until no source has more; rejects when the recording cannot be written. */
  async run(signal: AbortSignal): Promise<void> {
    const stop = new AbortController();
    const running = AbortSignal.any([signal, stop.signal]);
    const reading = this.#options.sources.map((source) => this.#read(source, running));
    const read = Promise.all(reading);
    try {
      await Promise.all([read, this.#tick(read.catch(() => undefined))]);
    } finally {
      stop.abort();
      await Promise.allSettled(reading);
    }
  }

  async #tick(until: Promise<unknown>): Promise<void> {
    const { recording, clock, onTick } = this.#options;
    const ended = new AbortController();
    void until.then(() => ended.abort());
    while (!ended.signal.aborted) {
      await clock.sleep(tickMs, ended.signal).catch(() => undefined);
      await recording.tick();
      onTick?.();
    }
  }

  async #read(source: FlowSource, signal: AbortSignal): Promise<void> {
    const { recording, clock, random } = this.#options;
    const onState = (state: SourceState, message: string) => this.#tell(source, state, message);
    for await (const batch of reconnecting(source, signal, { clock, random, onState })) {
      const { flows, losses, observed = [] } = batch;
      await recording.write([...flows.map(encodeFlow), ...losses.map(encodeLoss), ...observed.map(encodeObserved)]);
      this.#count(source, batch);
    }
  }

  #tell(source: FlowSource, state: SourceState, message: string): void {
    const before = this.#recorded.get(source) ?? untouched(source.name);
    // that it is asked again does not say that it answers
    if (state === 'running' && before.state === 'retrying') return;
    const now = { ...before, state, message };
    this.#recorded.set(source, now);
    if (before.state !== state || before.message !== message) this.#options.onState?.(now);
  }

  #count(source: FlowSource, { flows, losses, rejected, records }: FlowBatch): void {
    const before = this.#recorded.get(source) ?? untouched(source.name);
    const now: RecordedSource = {
      ...before,
      state: 'running',
      message: '',
      delivered: true,
      records: before.records + records,
      flows: before.flows + flows.length,
      losses: before.losses + losses.length,
      rejected: before.rejected + rejected.length,
      rejections: [...before.rejections, ...rejected].slice(0, shownRejections),
    };
    this.#recorded.set(source, now);
    if (before.state === 'retrying') this.#options.onState?.(now);
  }
}

function untouched(name: string): RecordedSource {
  return {
    name,
    state: 'running',
    message: '',
    delivered: false,
    records: 0,
    flows: 0,
    losses: 0,
    rejected: 0,
    rejections: [],
  };
}
