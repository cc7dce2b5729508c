import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { DirectoryStore } from '../../../controller/adapters/workspace/directory-store.ts';
import type { Problem } from '../../../controller/model/problem.ts';

/** An empty workspace in a directory of its own, and hands to change files in it as a person would. */
export async function openWorkspace(t: ExecutionContext) {
  const root = await mkdtemp(join(tmpdir(), 'nanoseg-workspace-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  await mkdir(join(root, 'cluster'));
  const problems: Problem[] = [];
  const openStore = () => new DirectoryStore({ root, clock: systemClock, report: (problem) => problems.push(problem) });
  const read = (path: string) => readFile(join(root, path), 'utf8');
  const write = async (path: string, text: string) => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  return { root, store: openStore(), openStore, problems, read, write };
}
