import test from 'ava';
import { defaultFlowLimits } from '../controller/adapters/flow-file/flow-limits.ts';
import { nanosegLines } from '../controller/adapters/flow-file/nanoseg-line.ts';
import { systemClock } from '../controller/adapters/system-clock.ts';
import type { ObservedTime } from '../controller/model/flow.ts';
import type { Clock, FlowBatch, FlowSource } from '../controller/ports.ts';
import { Recorder, type Recording } from '../controller/recorder.ts';
import { eventually } from './support/recording-sink.ts';

const empty: FlowBatch = { flows: [], losses: [], rejected: [], records: 0, skipped: 0 };
const loss = { timeMs: 0, source: 'hubble', node: 'n1', events: 3, kind: 'lost' } as const;
/** Pauses between two attempts take no time. */
const hasty: Clock = { now: () => Date.now(), sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 20), signal) };

function sourceOf(name: string, batches: (signal: AbortSignal) => AsyncIterable<FlowBatch>): FlowSource {
  return { name, progress: () => ({ doneBytes: 0, totalBytes: undefined }), batches };
}

function recordingOf(lines: string[]): Recording {
  return { write: async (more) => void lines.push(...more), tick: async () => undefined };
}

/** Never more than it has, until it is aborted. */
async function* waiting(signal: AbortSignal): AsyncGenerator<FlowBatch> {
  yield { ...empty, losses: [loss] };
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

test('a recording that cannot be written ends, with all of its sources', async (t) => {
  let ended = 0;
  const source = sourceOf('a', async function* (signal) {
    yield* waiting(signal);
    ended++;
  });
  const full: Recording = { write: async () => undefined, tick: () => Promise.reject(new Error('no space')) };
  const recorder = new Recorder({ sources: [source, source], recording: full, clock: hasty, random: Math.random });
  await t.throwsAsync(recorder.run(new AbortController().signal), { message: 'no space' });
  t.true(ended > 0);
  const failing: Recording = { write: () => Promise.reject(new Error('no space')), tick: async () => undefined };
  const other = new Recorder({ sources: [source], recording: failing, clock: hasty, random: Math.random });
  await t.throwsAsync(other.run(new AbortController().signal), { message: 'no space' });
});

test('that nodes were observed is written, and reads back the same', async (t) => {
  const observed: ObservedTime[] = ['n1', 'n2'].map((node) => ({
    source: 'conntrack',
    node,
    fromMs: Date.UTC(2026, 0, 5),
    toMs: Date.UTC(2026, 0, 5, 0, 1),
  }));
  const source = sourceOf('a', async function* () {
    yield { ...empty, observed };
  });
  const lines: string[] = [];
  const recorder = new Recorder({
    sources: [source],
    recording: recordingOf(lines),
    clock: hasty,
    random: Math.random,
  });
  await recorder.run(new AbortController().signal);
  const read = nanosegLines(defaultFlowLimits);
  t.deepEqual(
    lines.map((line) => read(line, undefined)),
    observed.map((time) => ({ kind: 'observed', observed: time })),
  );
});

test('a source that breaks off is asked again, which is told once, and so is that it delivers again', async (t) => {
  let attempts = 0;
  const source = sourceOf('a', async function* (signal) {
    attempts++;
    if (attempts < 4) throw new Error('connection lost');
    yield* waiting(signal);
  });
  const told: string[] = [];
  const lines: string[] = [];
  const recorder = new Recorder({
    sources: [source],
    recording: recordingOf(lines),
    clock: hasty,
    random: Math.random,
    onState: ({ state, message }) => told.push(`${state} ${message}`),
  });
  const stop = new AbortController();
  const running = recorder.run(stop.signal);
  await eventually(() => lines.length > 0, 'it delivered');
  stop.abort();
  await running;
  t.deepEqual(told, ['retrying connection lost', 'running ']);
  t.like(recorder.sources[0], { delivered: true, losses: 1, state: 'running' });
});

test('it ends when no source has more, and a source that can never be read takes no other down', async (t) => {
  const lines: string[] = [];
  const wrong = sourceOf('wrong', async function* () {
    yield* await Promise.reject<FlowBatch[]>(Object.assign(new Error('no such address'), { retryable: false }));
  });
  const short = sourceOf('short', async function* () {
    yield { ...empty, losses: [loss] };
  });
  const options = { recording: recordingOf(lines), clock: hasty, random: Math.random };
  const recorder = new Recorder({ sources: [wrong, short], ...options });
  await recorder.run(new AbortController().signal);
  t.deepEqual(
    recorder.sources.map(({ state, message }) => [state, message]),
    [
      ['failed', 'no such address'],
      ['ended', ''],
    ],
  );
  t.is(lines.length, 1);
});
