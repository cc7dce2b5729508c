import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { Flow, FlowLoss } from '../../controller/model/flow.ts';
import type { FlowBatch, FlowSource, RejectedRecord, SourcePosition } from '../../controller/ports.ts';
import { eventually } from '../support/recording-sink.ts';

/** A system that reports flows, for one test, and the source that reads it. */
export interface FlowSourceWorld {
  /** A source of its own that goes on after the position, as after a restart of ours. */
  source(position?: SourcePosition): FlowSource;
  /** The system reports so many more flows, each another one; answers with what must arrive. */
  play(count: number, node: string): readonly Flow[] | Promise<readonly Flow[]>;
  /** How many the system is serving now: each gets what is played from then on. */
  readers(): number;
  /** Cuts the connections; the system stays, and what it reports meanwhile can be had later, or is lost if not `resumes`. */
  breakConnections?(): void | Promise<void>;
  /** Whether it gives again what was not read; otherwise a reconnection must be told as a loss. */
  readonly resumes: boolean;
  /**
   * Whether reading goes on when connections break, as others make them and make new ones. @default false: it fails, and has
   * to be asked again
   */
  readonly outlivesBreaks?: boolean;
  /**
   * What each reading is told first, in this order, whether anything happened before or not: that nobody listened until now,
   * where the source cannot know whether somebody else did. @default nothing
   */
  readonly opening?: readonly Omit<FlowLoss, 'timeMs'>[];
  /**
   * What a reading is told when it begins of all that was played before, in a system that keeps no past but shows what still
   * stands of it. Only where it does not resume. @default nothing
   */
  standing?(played: readonly Flow[]): readonly Flow[];
  /** Reports so many flows as fast as they are taken. `sent`: those that were handed to the network so far. */
  flood?(count: number, node: string): { readonly sent: () => number };
  /** The system says that it lost events; answers with what must arrive, but for the time. */
  lose?(node: string): Omit<FlowLoss, 'timeMs'> | Promise<Omit<FlowLoss, 'timeMs'>>;
  /** Sends a record that nobody can read, at once or together with what is played next. */
  sendMalformed?(): void | Promise<void>;
  /** A source of the same system behind a certificate that the source must not trust. */
  untrusted?(): FlowSource | Promise<FlowSource>;
  close(): Promise<void>;
}

/** What a system can do that not every one can; the method of that name must be there. */
export type Ability = 'breakConnections' | 'flood' | 'lose' | 'sendMalformed' | 'untrusted';

type Run = (title: string, implementation: (t: ExecutionContext) => Promise<void>) => void;

/** Everything that nanoseg relies on of a live source, whatever is behind it. */
export function flowSourceContract(
  run: Run,
  name: string,
  abilities: readonly Ability[],
  open: (t: ExecutionContext) => Promise<FlowSourceWorld>,
): void {
  const claim = (title: string, check: (t: ExecutionContext, world: FlowSourceWorld) => Promise<void>) =>
    run(`${name}: ${title}`, async (t) => {
      const world = await open(t);
      try {
        await check(t, world);
        await eventually(() => world.readers() === 0, 'nobody is served any more');
      } finally {
        await world.close();
      }
    });
  const claimIf = <Wanted extends Ability>(
    ability: Wanted,
    title: string,
    check: (t: ExecutionContext, world: FlowSourceWorld & Required<Pick<FlowSourceWorld, Wanted>>) => Promise<void>,
  ) => {
    if (!abilities.includes(ability)) return;
    claim(title, (t, world) => check(t, world as Parameters<typeof check>[1]));
  };

  claim('flows arrive as they were reported, also a single one', async (t, world) => {
    const reading = Reading.start(world.source());
    await reading.connected(world);
    const first = await world.play(1, 'node-a');
    await reading.until(({ flows }) => flows.length >= 1);
    const more = [...(await world.play(40, 'node-a')), ...(await world.play(40, 'node-b'))];
    await reading.until(({ flows }) => flows.length >= 81);
    await reading.stop();
    t.deepEqual(sorted(reading.flows), sorted([...first, ...more]));
    t.true(reading.records >= 81);
    t.deepEqual(reading.rejected, []);
    t.deepEqual(lossesSince(t, reading, world), []);
  });

  claim('after a restart it goes on where it was, with nothing lost and nothing twice', async (t, world) => {
    const before = Reading.start(world.source());
    await before.connected(world);
    const read = await world.play(50, 'node-a');
    await before.until(({ flows }) => flows.length >= 50);
    await before.stop();
    const missed = [...(await world.play(20, 'node-a')), ...(await world.play(20, 'node-b'))];
    const after = Reading.start(world.source(before.position));
    const later = world.resumes ? missed : (world.standing?.([...read, ...missed]) ?? []);
    await after.until(({ flows }) => flows.length >= later.length);
    const live = await playUntilRead(world, after);
    await after.stop();
    t.deepEqual(sorted(before.flows), sorted(read));
    t.deepEqual(sorted(after.flows), sorted([...later, ...live]));
    if (!world.resumes) t.true(after.losses.length > 0, 'what cannot be had again is a loss');
  });

  claim('a position is that of the batch it came with, whatever was read ahead', async (t, world) => {
    const source = world.source();
    const stop = new AbortController();
    const batches = source.batches(stop.signal)[Symbol.asyncIterator]();
    const pending = batches.next();
    await eventually(() => world.readers() > 0, 'the source has connected');
    const played = [...(await world.play(1, 'node-a'))];
    const taken: Flow[] = [];
    let position: SourcePosition | undefined;
    const take = ({ value, done }: IteratorResult<FlowBatch>) => {
      if (done === true) return;
      taken.push(...value.flows);
      position = value.position ?? position;
      value.saved?.();
    };
    take(await pending);
    played.push(...(await world.play(100, 'node-a')), ...(await world.play(100, 'node-b')));
    while (taken.length < 2) take(await batches.next());
    // more of it lies in the source, or on the way, and is never asked for
    stop.abort();
    await batches.return?.();
    const after = Reading.start(world.source(position));
    const still = world.standing?.(played) ?? [];
    const owed = () => (world.resumes ? played.length - taken.length : still.length);
    await after.until(({ flows }) => flows.length >= owed());
    const live = await playUntilRead(world, after);
    await after.stop();
    const all = [...taken, ...after.flows];
    t.is(new Set(sorted(all)).size, all.length, 'nothing came twice');
    if (world.resumes) t.deepEqual(sorted(all), sorted([...played, ...live]));
    else t.deepEqual(sorted(after.flows), sorted([...still, ...live]));
  });

  claimIf(
    'breakConnections',
    'a connection that breaks costs nothing: it is an error that says so and asking again goes on, or nobody notices',
    async (t, world) => {
      const source = world.source();
      const before = Reading.start(source);
      await before.connected(world);
      if (world.outlivesBreaks) {
        const first = await world.play(30, 'node-a');
        await world.breakConnections();
        const second = await world.play(10, 'node-a');
        await before.until(({ flows }) => flows.length >= 40);
        await before.stop();
        t.deepEqual(sorted(before.flows), sorted([...first, ...second]));
        return;
      }
      const read = await world.play(30, 'node-a');
      await before.until(({ flows }) => flows.length >= 30);
      await world.breakConnections();
      const failure = await before.failure();
      t.true(failure.message.includes(source.name), failure.message);
      t.not((failure as { retryable?: boolean }).retryable, false);
      const missed = await world.play(10, 'node-a');
      const after = Reading.start(source);
      const later = world.resumes ? missed : (world.standing?.([...read, ...missed]) ?? []);
      await after.until(({ flows }) => flows.length >= later.length);
      const live = await playUntilRead(world, after);
      await after.stop();
      t.deepEqual(sorted([...before.flows, ...after.flows]), sorted([...read, ...later, ...live]));
      if (!world.resumes) t.true(after.losses.length > 0, 'what cannot be had again is a loss');
    },
  );

  claimIf('flood', 'a slow consumer slows the system down, or is told what it lost', async (t, world) => {
    const stop = new AbortController();
    const batches = world.source().batches(stop.signal)[Symbol.asyncIterator]();
    const pending = batches.next();
    await eventually(() => world.readers() > 0, 'the source has connected');
    await world.play(1, 'node-b');
    const first = await pending;
    if (first.done !== true) first.value.saved?.();
    const count = 100_000;
    const { sent } = world.flood(count, 'node-a');
    let before = -1;
    await eventually(async () => {
      await delay(200);
      const isStill = sent() === before;
      before = sent();
      return isStill && before > 0;
    }, 'the system was slowed down');
    t.true(sent() < count / 2, `${sent()} of ${count} were sent while nobody read`);
    let flows = 0;
    let lost = 0;
    while (flows + lost < count) {
      const { value, done } = await batches.next();
      if (done === true) break;
      flows += value.flows.length;
      for (const { events = 0 } of value.losses) lost += events;
      value.saved?.();
    }
    stop.abort();
    await batches.return?.();
    t.is(flows + lost, count);
  });

  claimIf('lose', 'what is lost is lost on its node', async (t, world) => {
    const reading = Reading.start(world.source());
    await reading.connected(world);
    await world.play(1, 'node-a');
    const loss = await world.lose('node-b');
    await reading.until(({ losses }) => losses.length > (world.opening?.length ?? 0));
    await reading.stop();
    const told = lossesSince(t, reading, world);
    t.is(told.length, 1);
    t.like(told[0], loss);
    t.is(loss.node, 'node-b');
  });

  claimIf('sendMalformed', 'what nobody can read is rejected, and the rest arrives', async (t, world) => {
    const reading = Reading.start(world.source());
    await reading.connected(world);
    const before = await world.play(3, 'node-a');
    await world.sendMalformed();
    const after = await world.play(3, 'node-a');
    await reading.until(({ flows, rejected }) => flows.length >= 6 && rejected.length > 0);
    await reading.stop();
    t.deepEqual(sorted(reading.flows), sorted([...before, ...after]));
    t.is(reading.rejected.length, 1);
    for (const { where, reason } of reading.rejected) {
      t.true(where.length > 0);
      t.true(reason.length > 0);
    }
  });

  claimIf('untrusted', 'a certificate that is not trusted is an error that says what to do', async (t, world) => {
    const source = await world.untrusted();
    const reading = Reading.start(source);
    const failure = await reading.failure();
    t.regex(failure.message, /certificate/);
    t.true(failure.message.includes(source.name), failure.message);
    t.not((failure as { retryable?: boolean }).retryable, false, 'a person repairs that while we ask again');
    t.deepEqual(reading.flows, []);
  });

  claim('stopped while it waits, before it began, and while flows come, it ends quietly', async (t, world) => {
    const waiting = Reading.start(world.source());
    await waiting.connected(world);
    await waiting.stop();
    t.deepEqual(waiting.flows, []);
    await eventually(() => world.readers() === 0, 'it is not served any more');

    const stopped = new AbortController();
    stopped.abort();
    for await (const _ of world.source().batches(stopped.signal)) t.fail('a source that was stopped yields nothing');

    const busy = Reading.start(world.source());
    await busy.connected(world);
    await world.play(200, 'node-a');
    await busy.until(({ flows }) => flows.length > 0);
    await busy.stop();
    t.true(busy.flows.length > 0);
  });
}

/** What was told as lost after the opening, which is there. */
function lossesSince(t: ExecutionContext, { losses }: Reading, { opening = [] }: FlowSourceWorld): readonly FlowLoss[] {
  opening.forEach((loss, i) => t.like(losses[i], loss));
  return losses.slice(opening.length);
}

/** Plays until something of it was read: the reader is connected then, and reads what is played from then on. */
async function playUntilRead(world: FlowSourceWorld, reading: Reading): Promise<readonly Flow[]> {
  await reading.connected(world);
  const had = reading.flows.length;
  const live = await world.play(3, 'node-a');
  await reading.until(({ flows }) => flows.length >= had + live.length);
  return live;
}

/** Flows in an order of their own, as texts: sources order them by node only. */
function sorted(flows: readonly Flow[]): readonly string[] {
  return flows.map((flow) => JSON.stringify(flow, (_, value: unknown) => (value === undefined ? null : value))).sort();
}

/** Reads a source until told to stop, and keeps everything: a batch is saved as soon as it was taken. */
export class Reading {
  readonly flows: Flow[] = [];
  readonly losses: FlowLoss[] = [];
  readonly rejected: RejectedRecord[] = [];
  records = 0;
  position: SourcePosition | undefined;
  #error: Error | undefined;
  #isDone = false;
  readonly #stop = new AbortController();
  #reading: Promise<void> = Promise.resolve();

  static start(source: FlowSource): Reading {
    const reading = new Reading();
    reading.#reading = reading.#read(source);
    return reading;
  }

  async #read(source: FlowSource): Promise<void> {
    try {
      for await (const batch of source.batches(this.#stop.signal)) {
        this.flows.push(...batch.flows);
        this.losses.push(...batch.losses);
        this.rejected.push(...batch.rejected);
        this.records += batch.records;
        this.position = batch.position ?? this.position;
        batch.saved?.();
      }
    } catch (error) {
      this.#error = error as Error;
    }
    this.#isDone = true;
  }

  async until(holds: (reading: Reading) => boolean): Promise<void> {
    await eventually(() => {
      if (this.#error !== undefined) throw this.#error;
      return holds(this);
    }, 'the source delivered what was expected');
  }

  async connected(world: Pick<FlowSourceWorld, 'readers'>): Promise<void> {
    await this.until(() => world.readers() > 0);
  }

  /** The error that it ended with. */
  async failure(): Promise<Error> {
    await eventually(() => this.#isDone, 'the source failed');
    if (this.#error === undefined) throw new Error('the source ended without an error');
    return this.#error;
  }

  /** Rejects when the source failed. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#reading;
    if (this.#error !== undefined) throw this.#error;
  }
}
