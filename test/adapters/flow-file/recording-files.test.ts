import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { RecordingFiles } from '../../../controller/adapters/flow-file/recording-files.ts';
import { ManualClock } from '../../reconcile/manual-clock.ts';
import { directoryOf } from '../../support/run-cli.ts';

type Options = Omit<Parameters<typeof RecordingFiles.open>[0], 'path' | 'clock'>;

const startMs = Date.UTC(2026, 0, 31, 10);

async function opened(t: ExecutionContext, name: string, options: Options = {}) {
  const directory = await directoryOf(t, {});
  const clock = new ManualClock(startMs);
  const path = join(directory, name);
  const open = () => RecordingFiles.open({ path, clock, flushMs: 1_000, ...options });
  const names = async () => (await readdir(directory)).filter((file) => !file.includes('.lock')).sort();
  const lines = async (file: string) => {
    const bytes = await readFile(join(directory, file));
    return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().split('\n').slice(0, -1);
  };
  return { recording: await open(), open, clock, directory, names, lines };
}

const many = (count: number, of: string) => Array.from({ length: count }, (_, i) => `${of} ${i} ${'-'.repeat(100)}`);

test('a file has its name when it is complete, and can be read at every moment before', async (t) => {
  for (const name of ['flows.jsonl', 'flows.jsonl.gz']) {
    const { recording, clock, names, lines } = await opened(t, name);
    t.deepEqual(await names(), []);
    await recording.write(['a', 'b']);
    await recording.tick();
    t.deepEqual(await names(), []);
    await clock.advance(1_000);
    await recording.tick();
    t.deepEqual(await names(), [`.${name}`]);
    t.deepEqual(await lines(`.${name}`), ['a', 'b']);
    await recording.write(['c']);
    await clock.advance(1_000);
    await recording.tick();
    t.deepEqual(await lines(`.${name}`), ['a', 'b', 'c']);
    await recording.write(['d']);
    await recording.close();
    t.deepEqual(await names(), [name]);
    t.deepEqual(await lines(name), ['a', 'b', 'c', 'd']);
    t.like(recording.files, [{ lines: 4 }]);
  }
});

test('what comes in large amounts is not kept in memory until its time', async (t) => {
  const { recording, names } = await opened(t, 'flows.jsonl');
  for (let i = 0; i < 12; i++) await recording.write(many(1_000, 'line'));
  t.deepEqual(await names(), ['.flows.jsonl']);
  await recording.close();
});

test('files are rotated by size, in an order that their names tell, and the old ones are removed', async (t) => {
  const complete: string[] = [];
  const { recording, clock, names, lines } = await opened(t, 'flows.jsonl', {
    rotateBytes: 150,
    keep: 2,
    onFile: ({ path }) => complete.push(path),
  });
  for (let i = 0; i < 4; i++) {
    await recording.write(many(2, `${i}`));
    await clock.advance(1_000);
    await recording.tick();
  }
  await recording.write(['rest']);
  await recording.close();
  t.is(complete.length, 5);
  t.deepEqual(await names(), ['flows-20260131T100004.000Z.jsonl', 'flows-20260131T100004.001Z.jsonl']);
  t.deepEqual(await lines('flows-20260131T100004.000Z.jsonl'), many(2, '3'));
  t.deepEqual(await lines('flows-20260131T100004.001Z.jsonl'), ['rest']);
  t.is(recording.files.length, 2);
});

test('files are rotated by time, also when nothing comes', async (t) => {
  const { recording, clock, names } = await opened(t, 'flows.jsonl.gz', { rotateMs: 3_600_000 });
  await recording.write(['a']);
  await clock.advance(1_000);
  await recording.tick();
  await clock.advance(3_599_000);
  await recording.tick();
  t.deepEqual(await names(), ['.flows-20260131T100001.000Z.jsonl.gz']);
  await clock.advance(1_000);
  await recording.tick();
  t.deepEqual(await names(), ['flows-20260131T100001.000Z.jsonl.gz']);
  await recording.close();
  t.deepEqual(await names(), ['flows-20260131T100001.000Z.jsonl.gz']);
});

test('only files of the recording are ever removed', async (t) => {
  const beside = {
    'flows.jsonl': '',
    'flows-old.jsonl': '',
    'flows-20250131T100001.000Z.jsonl.bak': '',
    'other-20250131T100001.000Z.jsonl': '',
  };
  const directory = await directoryOf(t, { ...beside, 'flows-20250131T100001.000Z.jsonl': '' });
  const path = join(directory, 'flows.jsonl');
  const clock = new ManualClock(startMs);
  const recording = await RecordingFiles.open({ path, clock, rotateMs: 1_000, keep: 1 });
  await recording.write(['a']);
  await recording.close();
  t.deepEqual((await readdir(directory)).sort(), [...Object.keys(beside), 'flows-20260131T100000.000Z.jsonl'].sort());
});

test('a file that exists is never written over', async (t) => {
  const directory = await directoryOf(t, { 'flows.jsonl': 'precious' });
  const path = join(directory, 'flows.jsonl');
  const error = await t.throwsAsync(RecordingFiles.open({ path, clock: new ManualClock(startMs) }));
  t.regex(error?.message ?? '', /the file exists/);
  t.is(await readFile(path, 'utf8'), 'precious');
});

test('two recordings to one place are refused, and the place is free again after the first', async (t) => {
  const { recording, open } = await opened(t, 'flows.jsonl', { rotateMs: 1_000 });
  await t.throwsAsync(open(), { message: 'another nanoseg record writes there' });
  await recording.close();
  await (await open()).close();
});

test('what a crash left gets its name from the next recording', async (t) => {
  const directory = await directoryOf(t, {
    '.flows-20260130T100000.000Z.jsonl': 'a\nb\n',
    '.flows-20260130T110000.000Z.jsonl': 'lost\n',
    'flows-20260130T110000.000Z.jsonl': 'complete\n',
    '.flows-x.jsonl': '',
  });
  const path = join(directory, 'flows.jsonl');
  const recording = await RecordingFiles.open({ path, clock: new ManualClock(startMs), rotateMs: 1_000 });
  await recording.close();
  t.deepEqual((await readdir(directory)).sort(), [
    '.flows-20260130T110000.000Z.jsonl',
    '.flows-x.jsonl',
    'flows-20260130T100000.000Z.jsonl',
    'flows-20260130T110000.000Z.jsonl',
  ]);
  const single = await directoryOf(t, { '.flows.jsonl': 'a\n' });
  const error = await t.throwsAsync(
    RecordingFiles.open({ path: join(single, 'flows.jsonl'), clock: new ManualClock(startMs) }),
  );
  t.regex(error?.message ?? '', /the file exists/);
  t.is(await readFile(join(single, 'flows.jsonl'), 'utf8'), 'a\n');
});

test('a place that cannot be written is a problem with its path', async (t) => {
  const directory = await directoryOf(t, { file: '' });
  const path = join(directory, 'file', 'flows.jsonl');
  const error = await t.throwsAsync(RecordingFiles.open({ path, clock: new ManualClock(startMs) }));
  t.like(error, { problem: { code: 'OutputUnwritable', where: path } });
});

test('a place that is gone while it is written ends the recording with a problem', async (t) => {
  const { recording, directory, clock } = await opened(t, 'sub/flows.jsonl');
  await rm(join(directory, 'sub'), { recursive: true });
  await recording.write(['a']);
  await clock.advance(1_000);
  await t.throwsAsync(recording.tick(), { name: 'FlowFileError' });
  await recording.close();
});
