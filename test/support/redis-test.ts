import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';

/** What the machine lacks for these tests; undefined: nothing. */
function redisMissing(): string | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => existsSync(join(folder, 'redis-server'))) ? undefined : 'redis-server';
}

/** Undefined where the tests are to be run. */
export const redisMissingHere = process.env['NANOSEG_TEST_REQUIRE'] === 'all' ? undefined : redisMissing();

/** A test with real servers; skipped with the reason where there is no redis-server. */
export function redisTest(title: string, implementation: (t: ExecutionContext) => Promise<void>): void {
  if (redisMissingHere === undefined) test(title, implementation);
  else test.skip(`${title} (needs ${redisMissingHere})`, implementation);
}
