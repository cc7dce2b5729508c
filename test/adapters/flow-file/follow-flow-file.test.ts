import { appendFile, copyFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { FlowFileError } from '../../../controller/adapters/flow-file/flow-file-error.ts';
import { encodeFlow } from '../../../controller/adapters/flow-file/nanoseg-line.ts';
import { followFlowFile, type FollowOptions } from '../../../controller/adapters/flow-file/follow-flow-file.ts';
import { openFlowFile } from '../../../controller/adapters/flow-file/open-flow-file.ts';
import type { Flow } from '../../../controller/model/flow.ts';
import type { FlowBatch, SourcePosition } from '../../../controller/ports.ts';
import { flow } from '../../support/flows.ts';

const pollMs = 15;

async function scratch(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-follow-'));
  t.teardown(() => rm(directory, { recursive: true }));
  return join(directory, 'flows.json');
}

/** The port tells the lines of a test apart. */
function line(port: number, end = '\n'): string {
  return `${encodeFlow(flow({ port }))}${end}`;
}

const lines = (...ports: readonly number[]) => ports.map((port) => line(port)).join('');

/** Reads in the background; what came so far, and the waiting for more. */
class Reading {
  readonly batches: FlowBatch[] = [];
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #arrived = Promise.withResolvers<void>();
  failure: unknown;

  constructor(path: string, options: FollowOptions = {}) {
    this.#done = this.#read(followFlowFile(path, { pollMs, ...options }).batches(this.#stop.signal));
  }

  get ports(): number[] {
    return this.batches.flatMap(({ flows }) => flows.map(({ port }) => port));
  }

  get rejected(): string[] {
    return this.batches.flatMap(({ rejected }) => rejected.map(({ where }) => where.replace(/^.*:/, 'line ')));
  }

  get position(): SourcePosition | undefined {
    return this.batches.at(-1)?.position;
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition() && this.failure === undefined) await this.#arrived.promise;
  }

  async seen(count: number): Promise<number[]> {
    await this.until(() => this.ports.length >= count);
    return this.ports;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /** Resolves when the source ends by itself. */
  get ended(): Promise<void> {
    return this.#done;
  }

  async #read(batches: AsyncIterable<FlowBatch>): Promise<void> {
    try {
      for await (const batch of batches) {
        this.batches.push(batch);
        this.#notify();
      }
    } catch (error) {
      this.failure = error;
    }
    this.#notify();
  }

  #notify(): void {
    const { resolve } = this.#arrived;
    this.#arrived = Promise.withResolvers();
    resolve();
  }
}

test('what is there is read, then what is appended, whole lines only', async (t) => {
  const path = await scratch(t);
  await writeFile(path, lines(1, 2));
  const reading = new Reading(path);
  t.deepEqual(await reading.seen(2), [1, 2]);
  const cut = line(3);
  await appendFile(path, cut.slice(0, 20));
  await appendFile(path, `${cut.slice(20)}${lines(4)}`);
  t.deepEqual(await reading.seen(4), [1, 2, 3, 4]);
  await reading.stop();
  t.is(reading.failure, undefined);
});

test('a file that is rotated away is read to its end before the new one', async (t) => {
  const path = await scratch(t);
  await writeFile(path, lines(1));
  const reading = new Reading(path);
  await reading.seen(1);
  await appendFile(path, lines(2));
  await rename(path, `${path}.1`);
  await appendFile(`${path}.1`, `${lines(3)}${line(4, '')}`);
  await writeFile(path, lines(5));
  t.deepEqual(await reading.seen(5), [1, 2, 3, 4, 5]);
  await appendFile(path, lines(6));
  t.deepEqual(await reading.seen(6), [1, 2, 3, 4, 5, 6]);
  await reading.stop();
});

test('a file that is cut off, or written anew, is read from its beginning', async (t) => {
  const path = await scratch(t);
  await writeFile(path, lines(1, 2, 3));
  const reading = new Reading(path);
  await reading.seen(3);
  await copyFile(path, `${path}.1`);
  await truncate(path, 0);
  await appendFile(path, lines(4));
  t.deepEqual(await reading.seen(4), [1, 2, 3, 4]);
  await writeFile(path, lines(5, 6, 7, 8, 9));
  t.deepEqual(await reading.seen(9), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await reading.stop();
});

test('reading goes on after a restart wherever it stopped, with nothing lost or repeated', async (t) => {
  const path = await scratch(t);
  const step = fc.record({ lines: fc.integer({ min: 0, max: 4 }), cut: fc.nat({ max: 40 }), rotate: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 4 }), async (steps) => {
      await rm(path, { force: true });
      await rm(`${path}.1`, { force: true });
      await writeFile(path, lines(1));
      let port = 1;
      let rest = '';
      let position: SourcePosition | undefined;
      const seen: number[] = [];
      for (const { lines: count, cut, rotate } of steps) {
        if (rotate && rest === '' && position !== undefined) {
          await rename(path, `${path}.1`);
          await writeFile(path, '');
        }
        const added = Array.from({ length: count }, () => line(++port)).join('');
        const text = `${rest}${added}`;
        const complete = text.slice(0, Math.max(text.length - cut, 0));
        rest = text.slice(complete.length);
        await appendFile(path, complete);
        const whole = port - (rest === '' ? 0 : `${rest}`.split('\n').length - 1);
        const reading = new Reading(path, { position });
        await reading.until(() => seen.length + reading.ports.length >= whole);
        await reading.stop();
        t.is(reading.failure, undefined);
        seen.push(...reading.ports);
        position = reading.position ?? position;
      }
      t.deepEqual(
        seen,
        Array.from({ length: seen.length }, (_, i) => i + 1),
      );
    }),
    { numRuns: 25 },
  );
});

test('a file that was rotated while nobody read it is finished first', async (t) => {
  const path = await scratch(t);
  await writeFile(path, lines(1));
  const first = new Reading(path);
  await first.seen(1);
  await first.stop();
  await appendFile(path, lines(2));
  await rename(path, `${path}-20260105`);
  await writeFile(path, lines(3));
  const second = new Reading(path, { position: first.position });
  t.deepEqual(await second.seen(2), [2, 3]);
  await second.stop();
});

test('a position of another file, or of nobody, means the beginning', async (t) => {
  const path = await scratch(t);
  await writeFile(path, lines(1, 2));
  const first = new Reading(path);
  await first.seen(2);
  await first.stop();
  await writeFile(path, lines(7, 8, 9));
  for (const position of [first.position, 'nonsense', '{}']) {
    const reading = new Reading(path, { position });
    t.deepEqual(await reading.seen(3), [7, 8, 9], position);
    await reading.stop();
  }
});

test('records of which a part was read before a restart are read whole after it', async (t) => {
  const path = await scratch(t);
  const logged = (tag: string, stream: string, text: string) => `2026-01-05T00:00:00Z ${stream} ${tag} ${text}\n`;
  const split = line(2, '');
  await writeFile(
    path,
    logged('F', 'stdout', line(1, '')) + logged('P', 'stdout', split.slice(0, 30)) + logged('F', 'stderr', line(3, '')),
  );
  const first = new Reading(path);
  t.deepEqual(await first.seen(2), [1, 3]);
  await first.stop();
  await appendFile(path, logged('F', 'stdout', split.slice(30)) + logged('F', 'stdout', line(4, '')));
  const second = new Reading(path, { position: first.position });
  t.deepEqual(await second.seen(2), [2, 4]);
  await second.stop();
});

test('formats that remember connections go on with what they knew', async (t) => {
  const path = await scratch(t);
  const event = (type: string, second: number, state = '') =>
    `[17675712${second.toString().padStart(2, '0')}.000000]\t${type} tcp      6 ${state}src=10.0.0.1 dst=10.0.0.2 sport=40000 dport=80 ${type === '[NEW]' ? '[UNREPLIED] ' : ''}src=10.0.0.2 dst=10.0.0.1 sport=80 dport=40000\n`;
  const events = [event('[NEW]', 1, '120 SYN_SENT '), event('[UPDATE]', 2, '60 SYN_RECV '), event('[DESTROY]', 3)];
  await writeFile(path, events.join(''));
  const whole: FlowBatch[] = [];
  for await (const batch of openFlowFile(path).batches(AbortSignal.timeout(5000))) whole.push(batch);

  await writeFile(path, '');
  const seen: Flow[] = [];
  let records = 0;
  let position: SourcePosition | undefined;
  for (const next of events) {
    await appendFile(path, next);
    const reading = new Reading(path, { position });
    await reading.until(() => reading.batches.length > 0);
    await reading.stop();
    seen.push(...reading.batches.flatMap(({ flows }) => flows));
    records += reading.batches.reduce((sum, batch) => sum + batch.records, 0);
    position = reading.position;
  }
  t.is(records, 3);
  t.deepEqual(
    seen,
    whole.flatMap(({ flows }) => flows),
  );
  t.is(
    seen.reduce((sum, { connections }) => sum + connections, 0),
    1,
  );
});

test('lines that cannot be used are counted once and keep their numbers', async (t) => {
  const path = await scratch(t);
  await writeFile(path, `${line(1)}not a flow\n`);
  const first = new Reading(path);
  await first.until(() => first.rejected.length > 0);
  await first.stop();
  await appendFile(path, `\n{"also": "none"}\n${line(2)}`);
  const second = new Reading(path, { position: first.position });
  await second.seen(1);
  await second.stop();
  t.deepEqual([first.rejected, second.rejected], [['line 2'], ['line 4']]);
});

test('a line over the limit is passed over, however slowly it comes', async (t) => {
  const path = await scratch(t);
  await writeFile(path, line(1));
  const reading = new Reading(path, { limits: { lineBytes: 1000 } });
  await reading.seen(1);
  for (let i = 0; i < 5; i++) await appendFile(path, 'x'.repeat(400));
  await appendFile(path, `\n${lines(2)}`);
  t.deepEqual(await reading.seen(2), [1, 2]);
  t.deepEqual(reading.rejected, ['line 2']);
  await reading.stop();
});

test('a compressed file is read once, and what was read of it is not read again', async (t) => {
  const path = await scratch(t);
  await writeFile(path, gzipSync(Array.from({ length: 5000 }, (_, i) => line(i + 1)).join('')));
  const all = new Reading(path);
  await all.ended;
  t.is(all.ports.length, 5000);
  t.true(all.batches.length > 2);
  const half = all.batches[1]?.position;
  const rest = new Reading(path, { position: half });
  await rest.ended;
  const before = (all.batches[0]?.flows.length ?? 0) + (all.batches[1]?.flows.length ?? 0);
  t.deepEqual(rest.ports, all.ports.slice(before));
  const again = new Reading(path, { position: all.position });
  await again.ended;
  t.deepEqual(again.ports, []);
});

test('a file that is not there yet may be asked for again, one of something else may not', async (t) => {
  const path = await scratch(t);
  const missing = new Reading(path);
  await missing.ended;
  await writeFile(path, 'something else\n'.repeat(1100));
  const wrong = new Reading(path);
  await wrong.ended;
  const retryable = [missing, wrong].map(({ failure }) => failure instanceof FlowFileError && failure.retryable);
  t.deepEqual(retryable, [true, false]);
});

test('progress says that all was read when all was taken, also where nothing is new', async (t) => {
  const path = await scratch(t);
  await writeFile(path, '');
  const caughtUp = async (position?: SourcePosition) => {
    const source = followFlowFile(path, { pollMs, position });
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(5000)]);
    let last: SourcePosition | undefined;
    const reading = (async () => {
      for await (const batch of source.batches(signal)) {
        const { doneBytes, totalBytes } = source.progress();
        t.true(
          doneBytes < (totalBytes ?? Number.POSITIVE_INFINITY),
          'a batch is not taken before the next is asked for',
        );
        last = batch.position;
      }
    })().catch(() => undefined);
    for (let { doneBytes, totalBytes } = source.progress(); totalBytes === undefined || doneBytes < totalBytes; ) {
      await delay(5, undefined, { signal });
      ({ doneBytes, totalBytes } = source.progress());
    }
    stop.abort();
    await reading;
    return last;
  };
  t.is(await caughtUp(), undefined);
  await writeFile(path, lines(1, 2));
  const position = await caughtUp();
  t.not(position, undefined);
  t.is(await caughtUp(position), undefined);
});

test('a compressed file is done after its last batch, however early its bytes were read', async (t) => {
  const path = await scratch(t);
  const content = gzipSync(Array.from({ length: 5000 }, (_, i) => line(i + 1)).join(''));
  await writeFile(path, content);
  const source = followFlowFile(path, { pollMs });
  const done: boolean[] = [];
  for await (const { position } of source.batches(AbortSignal.timeout(5000))) {
    t.truthy(position);
    done.push(source.progress().doneBytes === content.length);
  }
  t.true(done.length > 2);
  t.false(done.includes(true));
  t.deepEqual(source.progress(), { doneBytes: content.length, totalBytes: content.length });
});

test('asked again, a source goes on after the last batch that was taken', async (t) => {
  const path = await scratch(t);
  await writeFile(path, lines(1, 2));
  const source = followFlowFile(path, { pollMs });
  for await (const { flows } of source.batches(AbortSignal.timeout(5000))) {
    t.is(flows.length, 2);
    break;
  }
  await appendFile(path, lines(3));
  for await (const { flows } of source.batches(AbortSignal.timeout(5000))) {
    t.deepEqual(
      flows.map(({ port }) => port),
      [3],
    );
    break;
  }
});
