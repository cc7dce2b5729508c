import test from 'ava';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { DirectoryLock } from '../../controller/adapters/workspace/directory-lock.ts';
import { directoryOf } from '../support/run-cli.ts';
import { leadershipContract } from './leadership.ts';

leadershipContract(test, 'a workspace', async (t) => {
  const root = await directoryOf(t, {});
  return (identity) => new DirectoryLock({ root, clock: systemClock, identity, pauseMs: 20 });
});
