import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { encodeLoss } from '../../controller/adapters/flow-file/nanoseg-line.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import type { Flow, FlowLoss } from '../../controller/model/flow.ts';
import type { FlowBatch, FlowSource, SourcePosition } from '../../controller/ports.ts';
import { PushEndpoint } from '../../controller/intake/push-endpoint.ts';
import { PushProducer } from './push-producer.ts';
import { linesOf, pushedFlow } from './push-world.ts';

const producerName = 'exporter/1';
/** Of a flood, each batch has a producer of its own, so that all of them come at once. */
const floodBatch = 2_500;
/** Room for about a third of the flood of the contract. */
const queueBytes = 8 << 20;
const firstPort = 1_000;

/** The push endpoint of a controller as the source that it is, and who pushes to it. */
export class PushSourceWorld {
  /** By the numbers of who pushes. */
  readonly resumes = true;
  readonly outlivesBreaks = true;
  readonly #directory: string;
  readonly #producers: PushProducer[] = [];
  #readers = 0;
  #records = 0;
  #played = 0;
  #hasMalformed = false;
  #isNextCut = false;

  private constructor(directory: string) {
    this.#directory = directory;
    this.#producers.push(new PushProducer(this.#socket, producerName));
  }

  static async open(): Promise<PushSourceWorld> {
    return new PushSourceWorld(await mkdtemp(join(tmpdir(), 'nanoseg-push-')));
  }

  source(position?: SourcePosition): FlowSource {
    return {
      name: 'push endpoint',
      progress: () => ({ doneBytes: 0, totalBytes: undefined }),
      batches: (signal) => this.#batches(position, signal),
    };
  }

  readers(): number {
    return this.#readers;
  }

  play(count: number, node: string): readonly Flow[] {
    const timeMs = Date.now();
    const flows = Array.from({ length: count }, () => pushedFlow({ timeMs, node, port: firstPort + this.#played++ }));
    this.#offer(linesOf(...flows));
    return flows;
  }

  /** Now, and once more when the next batch was read and is not answered yet. */
  breakConnections(): void {
    this.#cut();
    this.#isNextCut = true;
  }

  flood(count: number, node: string): { readonly sent: () => number } {
    const before = this.#records;
    const body = linesOf(pushedFlow({ node })).repeat(floodBatch);
    for (let left = count; left > 0; left -= floodBatch) {
      const producer = new PushProducer(this.#socket, `flood/${left}`);
      this.#producers.push(producer);
      producer.offer(body);
    }
    return { sent: () => this.#records - before };
  }

  lose(node: string): Omit<FlowLoss, 'timeMs'> {
    const loss = { source: 'conntrack', node, events: 7, kind: 'lost' } as const;
    this.#offer(`${encodeLoss({ ...loss, timeMs: Date.now() })}\n`);
    return loss;
  }

  /** A batch of nothing else would be refused as a whole. */
  sendMalformed(): void {
    this.#hasMalformed = true;
  }

  async close(): Promise<void> {
    await Promise.all(this.#producers.map((producer) => producer.stop()));
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #socket(): string {
    return join(this.#directory, 'push.sock');
  }

  #offer(lines: string): void {
    this.#producers[0]?.offer(this.#hasMalformed ? `{"nanoseg":\n${lines}` : lines);
    this.#hasMalformed = false;
  }

  #taken(records: number): void {
    this.#records += records;
    if (this.#isNextCut) this.#cut();
    this.#isNextCut = false;
  }

  #cut(): void {
    for (const producer of this.#producers) producer.cut();
  }

  /** What the endpoint hands to the ingest of a controller, and its end as a controller ends it. */
  async *#batches(position: SourcePosition | undefined, signal: AbortSignal): AsyncGenerator<FlowBatch, void, void> {
    const log = pino({ level: process.env['NANOSEG_TEST_LOG'] ?? 'silent' });
    const config = { socket: this.#socket };
    const ignored = () => undefined;
    const figures = {
      taken: (_: string, records: number) => this.#taken(records),
      repeated: ignored,
      refused: ignored,
      turnedAway: ignored,
      received: ignored,
      held: ignored,
    };
    const limits = { queueBytes };
    const endpoint = await PushEndpoint.open({ config, access: undefined, clock: systemClock, log, figures, limits });
    const handed = Promise.withResolvers<AsyncIterable<FlowBatch>>();
    const ended = Promise.withResolvers<void>();
    const run: Parameters<PushEndpoint['run']>[0]['run'] = async ([source], counting) => {
      if (source !== undefined) handed.resolve(source.batches(counting));
      await ended.promise;
    };
    const positions = new Map(position === undefined ? [] : [[`push endpoint/${producerName}`, position]]);
    const running = endpoint.run({ run }, positions, signal);
    this.#readers++;
    try {
      yield* await handed.promise;
    } finally {
      ended.resolve();
      await running;
      await endpoint.close();
      this.#readers--;
    }
  }
}
