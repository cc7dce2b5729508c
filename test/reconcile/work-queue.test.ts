import test from 'ava';
import fc from 'fast-check';
import { backoffMs } from '../../controller/reconcile/backoff.ts';
import { WorkQueue } from '../../controller/reconcile/work-queue.ts';
import { ManualClock, settled } from './manual-clock.ts';

const backoff = { firstMs: 100, mostMs: 1000 };

function queueAt(clock: ManualClock, random = 0.5): WorkQueue {
  return new WorkQueue({ clock, random: () => random, backoff });
}

/** A worker of whom the test decides when it is done with a key. */
class Worker {
  /** What it works on; undefined while it waits. */
  key: string | undefined;
  ended = false;
  readonly #keys: AsyncGenerator<string, void, undefined>;

  constructor(queue: WorkQueue, signal: AbortSignal) {
    this.#keys = queue.take(signal);
    this.#ask();
  }

  async finish(): Promise<void> {
    this.key = undefined;
    this.#ask();
    await settled();
  }

  async giveUp(): Promise<void> {
    await this.#keys.return();
    this.key = undefined;
  }

  #ask(): void {
    void this.#keys.next().then(({ done, value }) => {
      this.key = value ?? undefined;
      this.ended = done === true;
    });
  }
}

async function workerOf(queue: WorkQueue, signal = new AbortController().signal): Promise<Worker> {
  const worker = new Worker(queue, signal);
  await settled();
  return worker;
}

test('keys come in the order in which they were added, each once', async (t) => {
  const queue = queueAt(new ManualClock());
  for (const key of ['b', 'a', 'b', 'c', 'a']) queue.add(key);
  t.is(queue.size(), 3);
  const worker = await workerOf(queue);
  const seen: (string | undefined)[] = [];
  for (let i = 0; i < 4; i++) {
    seen.push(worker.key);
    await worker.finish();
  }
  t.deepEqual(seen, ['b', 'a', 'c', undefined]);
});

test('a key that is added while it is worked on is never in two hands, and comes again afterwards', async (t) => {
  const queue = queueAt(new ManualClock());
  queue.add('a');
  const [one, other] = [await workerOf(queue), await workerOf(queue)];
  t.deepEqual([one.key, other.key], ['a', undefined]);
  queue.add('a');
  queue.add('a');
  await settled();
  t.deepEqual([one.key, other.key, queue.size()], ['a', undefined, 1]);
  await one.finish();
  t.deepEqual([one.key, other.key].filter(Boolean), ['a']);
  await one.finish();
  await other.finish();
  t.deepEqual([one.key, other.key, queue.size()], [undefined, undefined, 0]);
});

test('a key that comes again and again does not keep others waiting', async (t) => {
  const queue = queueAt(new ManualClock());
  queue.add('busy');
  queue.add('quiet');
  const worker = await workerOf(queue);
  queue.add('busy');
  await worker.finish();
  t.is(worker.key, 'quiet');
  await worker.finish();
  t.is(worker.key, 'busy');
});

test('a delayed key comes when its time has come, and a worker that waits already gets it', async (t) => {
  const clock = new ManualClock();
  const queue = queueAt(clock);
  const worker = await workerOf(queue);
  queue.addAfter('late', 500);
  queue.addAfter('soon', 100);
  queue.addAfter('soon', 400);
  await settled();
  await clock.advance(99);
  t.is(worker.key, undefined);
  await clock.advance(1);
  t.is(worker.key, 'soon');
  await worker.finish();
  await clock.advance(300);
  t.is(worker.key, undefined);
  await clock.advance(100);
  t.is(worker.key, 'late');
});

test('a worker that waits for a delay takes what is added before it', async (t) => {
  const clock = new ManualClock();
  const queue = queueAt(clock);
  queue.addAfter('late', 500);
  const worker = await workerOf(queue);
  queue.add('now');
  await settled();
  t.is(worker.key, 'now');
  t.is(clock.sleeping, 0);
});

test('retries come later each time, at most as late as the limit, until the key is forgotten', async (t) => {
  const clock = new ManualClock();
  const queue = queueAt(clock, 1);
  const waits: number[] = [];
  const worker = await workerOf(queue);
  const waitOf = async () => {
    queue.addBackedOff('a');
    await settled();
    const from = clock.now();
    while (worker.key === undefined) await clock.advance(50);
    waits.push(clock.now() - from);
    await worker.finish();
  };
  for (let i = 0; i < 6; i++) await waitOf();
  queue.forget('a');
  await waitOf();
  t.deepEqual(waits, [100, 200, 400, 800, 1000, 1000, 100]);
});

test('no number of failures makes the wait longer than the limit, or no number at all', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (failures, random) => {
        const ms = backoffMs(failures, random, backoff);
        return ms >= 0 && ms <= backoff.mostMs && ms <= backoff.firstMs * 2 ** (failures - 1);
      },
    ),
  );
  t.is(backoffMs(1, 0, backoff), 0);
});

test('an abort ends the waiting, and no timer is left behind', async (t) => {
  const clock = new ManualClock();
  const queue = queueAt(clock);
  queue.addAfter('late', 500);
  const controller = new AbortController();
  const worker = await workerOf(queue, controller.signal);
  t.is(clock.sleeping, 1);
  controller.abort();
  await settled();
  t.true(worker.ended);
  t.is(clock.sleeping, 0);
});

test('a key of a worker that ends is free for others', async (t) => {
  const queue = queueAt(new ManualClock());
  queue.add('a');
  const worker = await workerOf(queue);
  queue.add('a');
  await worker.giveUp();
  t.is((await workerOf(queue)).key, 'a');
});

test('the age of the oldest key is counted from when it was due', async (t) => {
  const clock = new ManualClock(1000);
  const queue = queueAt(clock);
  t.is(queue.oldestAgeMs(), 0);
  queue.addAfter('a', 100);
  await clock.advance(100);
  queue.add('b');
  await clock.advance(250);
  t.is(queue.oldestAgeMs(), 250);
  const worker = await workerOf(queue);
  t.is(worker.key, 'a');
  queue.add('a');
  await clock.advance(10);
  t.is(queue.oldestAgeMs(), 260);
});

test('a hundred thousand keys go through in order', async (t) => {
  const queue = queueAt(new ManualClock());
  const many = 100_000;
  for (let i = 0; i < many; i++) queue.add(`key-${i}`);
  let next = 0;
  for await (const key of queue.take(new AbortController().signal)) {
    if (key !== `key-${next}`) break;
    next++;
    if (next === many) break;
  }
  t.is(next, many);
});

/** What the queue promises, with lists alone. */
interface Model {
  nowMs: number;
  waiting: string[];
  readonly delayed: Map<string, number>;
  readonly again: Set<string>;
  /** What each worker holds. */
  readonly held: (string | undefined)[];
  readonly failures: Map<string, number>;
}

interface Real {
  readonly clock: ManualClock;
  readonly queue: WorkQueue;
  readonly workers: Worker[];
}

type Step = fc.AsyncCommand<Model, Real>;

function admit(model: Model, key: string): void {
  if (model.held.includes(key)) model.again.add(key);
  else if (!model.waiting.includes(key)) model.waiting.push(key);
}

function admitDue(model: Model): void {
  const due = [...model.delayed].filter(([, ms]) => ms <= model.nowMs).sort(([, a], [, b]) => a - b);
  for (const [key] of due) {
    model.delayed.delete(key);
    admit(model, key);
  }
}

/** Keys of one moment may go to any of the workers who wait: only what is worked on altogether is promised. */
async function agree(model: Model, { queue, workers }: Real): Promise<void> {
  await settled();
  admitDue(model);
  for (const [i, key] of model.held.entries()) if (key === undefined) model.held[i] = model.waiting.shift();
  const held = workers.flatMap(({ key }) => (key === undefined ? [] : [key])).sort();
  const expected = model.held.filter((key) => key !== undefined).sort();
  if (held.join() !== expected.join()) throw new Error(`in work: ${held.join()}; expected: ${expected.join()}`);
  const size = model.waiting.length + model.again.size;
  if (queue.size() !== size) throw new Error(`size ${queue.size()}, expected ${size}`);
}

function step(name: string, perform: (model: Model, real: Real) => Promise<void> | void): Step {
  return {
    check: () => true,
    async run(model, real) {
      await perform(model, real);
      await agree(model, real);
    },
    toString: () => name,
  };
}

/** Of what is due at once comes first what was added first. */
function delay(model: Model, key: string, ms: number): void {
  const dueMs = model.nowMs + ms;
  if ((model.delayed.get(key) ?? Number.POSITIVE_INFINITY) <= dueMs) return;
  model.delayed.delete(key);
  model.delayed.set(key, dueMs);
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const steps = fc.commands(
  [
    key.map((k) =>
      step(`add ${k}`, (model, { queue }) => {
        queue.add(k);
        admitDue(model);
        admit(model, k);
      }),
    ),
    fc.tuple(key, fc.integer({ min: 0, max: 30 })).map(([k, tens]) => {
      const ms = tens * 50;
      return step(`add ${k} after ${ms}`, (model, { queue }) => {
        queue.addAfter(k, ms);
        delay(model, k, ms);
      });
    }),
    key.map((k) =>
      step(`back off ${k}`, (model, { queue }) => {
        queue.addBackedOff(k);
        const failures = (model.failures.get(k) ?? 0) + 1;
        model.failures.set(k, failures);
        delay(model, k, backoffMs(failures, 0.5, backoff));
      }),
    ),
    key.map((k) =>
      step(`forget ${k}`, (model, { queue }) => {
        queue.forget(k);
        model.failures.delete(k);
      }),
    ),
    fc.integer({ min: 0, max: 1 }).map((i) =>
      step(`worker ${i} is done`, async (model, { workers }) => {
        const worker = workers[i];
        if (worker?.key === undefined) return;
        const held = worker.key;
        model.held[model.held.indexOf(held)] = undefined;
        if (model.again.delete(held)) model.waiting.push(held);
        await worker.finish();
      }),
    ),
    fc.integer({ min: 1, max: 700 }).map((ms) =>
      step(`wait ${ms}`, async (model, { clock }) => {
        model.nowMs += ms;
        await clock.advance(ms);
      }),
    ),
  ],
  { maxCommands: 40 },
);

test('any sequence of additions, delays, failures and workers goes as the simple model says', async (t) => {
  await t.notThrowsAsync(
    fc.assert(
      fc.asyncProperty(steps, async (commands) => {
        const clock = new ManualClock();
        const queue = queueAt(clock);
        const stopped = new AbortController();
        const workers = [await workerOf(queue, stopped.signal), await workerOf(queue, stopped.signal)];
        await fc.asyncModelRun(
          () => ({
            model: {
              nowMs: 0,
              waiting: [],
              delayed: new Map<string, number>(),
              again: new Set<string>(),
              held: [undefined, undefined],
              failures: new Map<string, number>(),
            },
            real: { clock, queue, workers },
          }),
          commands,
        );
        stopped.abort();
      }),
    ),
  );
});

test('urgent keys come before all that wait, each of them once, also those that waited already', async (t) => {
  const queue = queueAt(new ManualClock());
  const stop = new AbortController();
  for (const key of ['a', 'b', 'c']) queue.add(key);
  queue.addUrgent('c');
  queue.addUrgent('d');
  queue.add('d');
  const worker = new Worker(queue, stop.signal);
  await settled();
  const taken: (string | undefined)[] = [];
  for (let i = 0; i < 4; i++) {
    taken.push(worker.key);
    if (i === 0) queue.addUrgent('c');
    await worker.finish();
  }
  taken.push(worker.key);
  await worker.finish();
  t.is(worker.key, undefined);
  t.deepEqual(taken, ['c', 'd', 'c', 'a', 'b']);
  stop.abort();
});
