import test from 'ava';
import { renderTable } from '../../../cli/render/table.ts';

test('columns are as wide as their widest cell, numbers stand right, and no line ends in blanks', (t) => {
  const columns = [{ title: 'WORKLOAD' }, { title: 'RULES', align: 'right' as const }, { title: 'STATE' }];
  t.is(
    renderTable(columns, [
      ['shop/cart', '2', 'ready'],
      ['shop/frontend', '12', ''],
    ]),
    'WORKLOAD       RULES  STATE\nshop/cart          2  ready\nshop/frontend     12\n',
  );
});

test('a table without rows is its titles', (t) => {
  t.is(renderTable([{ title: 'A' }, { title: 'B' }], []), 'A  B\n');
});
