import test from 'ava';
import { ProgressBar, progressLine } from '../../cli/progress-bar.ts';

function barOn(interactive: boolean) {
  let nowMs = 0;
  let written = '';
  const terminal = {
    out: () => undefined,
    err: (text: string) => {
      written += text;
    },
    interactive,
    columns: 80,
    exit: () => undefined,
  };
  const bar = new ProgressBar(terminal, () => nowMs);
  return {
    step(atMs: number) {
      nowMs = atMs;
      bar.update({ label: 'reading flows', done: 25, total: 100, items: 5_000, unit: 'records' });
    },
    clear: () => bar.clear(),
    written: () => written,
  };
}

test('a line tells share, rate and the time that is left', (t) => {
  const line = progressLine({ label: 'reading flows', done: 25, total: 100, items: 50_000, unit: 'records' }, 2_000);
  t.is(line, 'reading flows  25% [######------------------]  25k records/s  ETA 0:06');
});

test('without a total there is no share, but still a rate', (t) => {
  const line = progressLine({ label: 'reading flows', done: 25, total: undefined, items: 500, unit: 'records' }, 1_000);
  t.is(line, 'reading flows  500 records  500 records/s');
});

test('nothing is drawn within the first second, nor more than ten times a second', (t) => {
  const bar = barOn(true);
  bar.step(0);
  bar.step(900);
  t.is(bar.written(), '');
  bar.step(1_100);
  const once = bar.written();
  t.regex(once, /reading flows/);
  bar.step(1_150);
  t.is(bar.written(), once);
});

test('nothing at all is drawn where standard error is no terminal', (t) => {
  const bar = barOn(false);
  bar.step(0);
  bar.step(5_000);
  bar.clear();
  t.is(bar.written(), '');
});
