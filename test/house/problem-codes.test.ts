import { readFile, writeFile } from 'node:fs/promises';
import test from 'ava';
import { problemCodes } from '../../controller/model/problem-codes.ts';

const page = new URL('../../docs/problems.md', import.meta.url);

function expectedPage(): string {
  const entries = Object.entries(problemCodes).map(
    ([code, { means, fix }]) => `## ${code}\n\n${means}\n\n**What to do:** ${fix}\n`,
  );
  return ['# Problems\n', 'Every problem that nanoseg reports carries one of these codes.\n', ...entries].join('\n');
}

test('docs/problems.md explains every problem code, and no other', async (t) => {
  if (process.env['NANOSEG_UPDATE_GOLDENS'] === '1') await writeFile(page, expectedPage());
  t.is(await readFile(page, 'utf8'), expectedPage());
});
