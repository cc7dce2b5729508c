import test from 'ava';
import fc from 'fast-check';
import { lineDiff } from '../../controller/view/line-diff.ts';

/** What patch(1) does: the text before with the hunks carried out; throws where a hunk does not fit. */
function patched(before: string, diff: string): string {
  const old = before === '' ? [] : before.replace(/\n$/, '').split('\n');
  const result: string[] = [];
  let at = 0;
  for (const line of diff.replace(/\n$/, '').split('\n')) {
    const head = /^@@ -(\d+),(\d+) \+(\d+),(\d+) @@$/.exec(line);
    if (head) {
      const start = Number(head[1]) - (head[2] === '0' ? 0 : 1);
      result.push(...old.slice(at, start));
      at = start;
      if (result.length !== Number(head[3]) - (head[4] === '0' ? 0 : 1)) throw new Error(`wrong line: ${line}`);
      continue;
    }
    if (line[0] !== '+' && old[at++] !== line.slice(1)) throw new Error(`does not fit: ${line}`);
    if (line[0] !== '-') result.push(line.slice(1));
  }
  return [...result, ...old.slice(at)].map((line) => `${line}\n`).join('');
}

const texts = fc
  .array(fc.constantFrom('a', 'b', 'c', '', ' a', '-a', '+b'), { maxLength: 60 })
  .map((lines) => lines.map((line) => `${line}\n`).join(''));

test('the text before with the difference is the text after', (t) => {
  fc.assert(
    fc.property(texts, texts, (before, after) => {
      const diff = lineDiff(before, after);
      if (before === after) return diff === '';
      return patched(before, diff) === after;
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('only what changed is shown, with three lines around it', (t) => {
  const before = Array.from({ length: 20 }, (_, i) => `line ${i + 1}\n`).join('');
  t.is(
    lineDiff(before, before.replace('line 10\n', 'line ten\n')),
    '@@ -7,7 +7,7 @@\n line 7\n line 8\n line 9\n-line 10\n+line ten\n line 11\n line 12\n line 13\n',
  );
});

test('texts that have little in common are shown one after the other', (t) => {
  const lines = (word: string) => Array.from({ length: 2_000 }, (_, i) => `${word} ${i}\n`).join('');
  const diff = lineDiff(lines('old'), lines('new'));
  t.is(patched(lines('old'), diff), lines('new'));
});
