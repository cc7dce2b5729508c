import { existsSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { executablePath } from './page-browser.ts';

/** Why there is no browser to try the page in; undefined: there is one, or it must be there. */
export const browserMissing =
  process.env['NANOSEG_TEST_REQUIRE'] === 'all' || existsSync(executablePath) ? undefined : 'chromium';

/** A test in a real browser, after those before it; skipped with the reason where there is none. */
export function pageTest(title: string, implementation: (t: ExecutionContext) => Promise<void>): void {
  if (browserMissing === undefined) test.serial(title, implementation);
  else test.skip(`${title} (needs ${browserMissing})`, implementation);
}
