import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { EventFile } from '../../../controller/adapters/workspace/event-file.ts';
import { proposalIn } from '../../contract/sample-objects.ts';
import { ManualClock } from '../../reconcile/manual-clock.ts';
import { openWorkspace } from './open-workspace.ts';

const clock = new ManualClock(Date.UTC(2026, 0, 31));

test('events are lines of JSON in the order in which they happened', async (t) => {
  const { root, read } = await openWorkspace(t);
  const events = new EventFile({ root, clock });
  events.record(proposalIn('shop'), 'Normal', 'Applied', 'in force');
  events.record({ kind: 'Namespace', namespace: '', name: 'shop' }, 'Warning', 'Stopped', 'line\nbreak');
  await events.close();
  events.record(proposalIn('shop'), 'Warning', 'Deviation', 'a new client');
  await events.close();
  const lines = (await read('.nanoseg/events.jsonl')).trimEnd().split('\n');
  t.deepEqual(
    lines.map((line) => JSON.parse(line)),
    [
      {
        type: 'Normal',
        reason: 'Applied',
        kind: 'PolicyProposal',
        namespace: 'shop',
        name: 'deployment-cart',
        message: 'in force',
      },
      { type: 'Warning', reason: 'Stopped', kind: 'Namespace', namespace: '', name: 'shop', message: 'line\nbreak' },
      {
        type: 'Warning',
        reason: 'Deviation',
        kind: 'PolicyProposal',
        namespace: 'shop',
        name: 'deployment-cart',
        message: 'a new client',
      },
    ].map((event) => ({ time: '2026-01-31T00:00:00.000Z', ...event })),
  );
});

test('the file does not grow without end', async (t) => {
  const { root, read } = await openWorkspace(t);
  const events = new EventFile({ root, clock, mostBytes: 1_000 });
  for (let i = 0; i < 100; i++) {
    events.record(proposalIn('shop'), 'Normal', 'Applied', `number ${i}`);
    await events.close();
  }
  t.deepEqual((await readdir(join(root, '.nanoseg'))).filter((name) => name.startsWith('events')).sort(), [
    'events.1.jsonl',
    'events.jsonl',
  ]);
  const text = (await read('.nanoseg/events.1.jsonl')) + (await read('.nanoseg/events.jsonl'));
  t.true(text.length < 2_500);
  t.true(text.endsWith('"message":"number 99"}\n'));
  t.is(events.lost, 0);
});

test('what cannot be written is counted, and costs nothing else', async (t) => {
  const events = new EventFile({ root: '/nonexistent/workspace', clock });
  for (let i = 0; i < 3; i++) events.record(proposalIn('shop'), 'Normal', 'Applied', 'x');
  await events.close();
  t.is(events.lost, 3);
});
