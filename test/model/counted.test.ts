import test from 'ava';
import { counted } from '../../controller/model/counted.ts';

test('one is singular, and everything else is not', (t) => {
  t.is(counted(1, 'rule'), '1 rule');
  t.is(counted(0, 'rule'), '0 rules');
  t.is(counted(2, 'policy', 'policies'), '2 policies');
});
