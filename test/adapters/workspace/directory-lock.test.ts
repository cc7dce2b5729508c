import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { DirectoryLock } from '../../../controller/adapters/workspace/directory-lock.ts';
import { eventually } from '../../support/recording-sink.ts';
import { openWorkspace } from './open-workspace.ts';

const program = fileURLToPath(new URL('hold-leadership.ts', import.meta.url));

function competitor(root: string, identity: string) {
  const lock = new DirectoryLock({ root, clock: systemClock, identity, pauseMs: 10 });
  const stop = new AbortController();
  let leads = 0;
  let losses = 0;
  const running = lock.run(async (signal) => {
    leads++;
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    losses++;
  }, stop.signal);
  return { lock, stop, running, leads: () => leads, losses: () => losses };
}

test('one leads, and the other only after it has ended', async (t) => {
  const { root } = await openWorkspace(t);
  const first = competitor(root, 'first');
  await eventually(() => first.leads() === 1, 'the first leads');
  const second = competitor(root, 'second');
  t.notThrows(() => first.lock.assertHeld());
  t.throws(() => second.lock.assertHeld(), { message: /does not lead/ });
  await systemClock.sleep(60, AbortSignal.timeout(5_000));
  t.is(second.leads(), 0);
  t.deepEqual([first.lock.holder, second.lock.holder], ['first', 'first']);
  first.stop.abort();
  await first.running;
  t.is(first.losses(), 1);
  t.throws(() => first.lock.assertHeld());
  await eventually(() => second.leads() === 1, 'the second leads');
  t.deepEqual([first.lock.holder, second.lock.holder], ['second', 'second']);
  second.stop.abort();
  await second.running;
});

test('one that waits can be stopped', async (t) => {
  const { root } = await openWorkspace(t);
  const first = competitor(root, 'first');
  await eventually(() => first.leads() === 1, 'the first leads');
  const second = competitor(root, 'second');
  second.stop.abort();
  await second.running;
  t.is(second.leads(), 0);
  first.stop.abort();
  await first.running;
});

test('a leader that is killed leaves no lock behind', async (t) => {
  const { root } = await openWorkspace(t);
  const child = spawn(process.execPath, [program, root, 'elsewhere'], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const waiting = competitor(root, 'here');
  await systemClock.sleep(60, AbortSignal.timeout(5_000));
  t.is(waiting.leads(), 0);
  t.is(waiting.lock.holder, 'elsewhere');
  child.kill('SIGKILL');
  await eventually(() => waiting.leads() === 1, 'the one that waited leads');
  waiting.stop.abort();
  await waiting.running;
});

test('who loses the lock file stops at once, so that there are never two', async (t) => {
  const { root } = await openWorkspace(t);
  const first = competitor(root, 'first');
  await eventually(() => first.leads() === 1, 'the first leads');
  await rm(join(root, '.nanoseg'), { recursive: true });
  t.throws(() => first.lock.assertHeld());
  await eventually(() => first.losses() === 1, 'the first was told');
  await eventually(() => first.leads() === 2, 'it leads again with a lock that others can see');
  t.notThrows(() => first.lock.assertHeld());
  first.stop.abort();
  await first.running;
});
