import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { DirectoryLock } from '../../../controller/adapters/workspace/directory-lock.ts';

/** A process that competes for a workspace, says when it leads, and leads until it is killed. */
const [root = '', identity = ''] = process.argv.slice(2);
const lock = new DirectoryLock({ root, clock: systemClock, identity, pauseMs: 20 });
await lock.run(async (signal) => {
  process.stdout.write('leads\n');
  await systemClock.sleep(60_000, signal);
}, new AbortController().signal);
