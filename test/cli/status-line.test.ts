import test from 'ava';
import { StatusLine } from '../../cli/status-line.ts';

function terminal(interactive: boolean) {
  let written = '';
  const line = new StatusLine({ err: (text) => (written += text), interactive, columns: 20 });
  return { line, take: () => [written, (written = '')][0] };
}

test('the line is drawn anew in its place, cut to the terminal, not more often than people see', (t) => {
  const { line, take } = terminal(true);
  line.show('recording  12 flows  3 flows/s', 1_000);
  t.is(take(), '\r\u001b[Krecording  12 flows');
  line.show('recording  13 flows', 1_100);
  t.is(take(), '');
  line.show('recording  14 flows', 1_200);
  t.is(take(), '\r\u001b[Krecording  14 flows');
});

test('messages stand above the line, and alone where there is no terminal', (t) => {
  const { line, take } = terminal(true);
  line.show('14 flows', 1_000);
  take();
  line.say('a file is complete');
  t.is(take(), '\r\u001b[Ka file is complete\n\r\u001b[K14 flows');
  line.clear();
  t.is(take(), '\r\u001b[K');
  const log = terminal(false);
  log.line.show('14 flows', 1_000);
  log.line.say('a file is complete');
  log.line.clear();
  t.is(log.take(), 'a file is complete\n');
});
