import test from 'ava';
import { printable, shortened } from '../../../../controller/adapters/http/page/printable.ts';

test('what would reorder, hide or break a line is shown, and plain text of any language stays', (t) => {
  t.is(printable('abc\u202Etxt.exe'), 'abc\uFFFDtxt.exe');
  t.is(printable('a\u200Bb\u0007c\u2028d'), 'a\uFFFDb\uFFFDc\uFFFDd');
  t.is(printable('größe 東京\n\tx'), 'größe 東京\n\tx');
});

test('a name for the picture is one line, and no longer than asked for', (t) => {
  t.is(shortened('a\nb', 10), 'a b');
  t.is(shortened('abcdefgh', 5), 'abcd…');
});
