import test from 'ava';
import fc from 'fast-check';
import { PairTable } from '../../controller/view/pair-table.ts';

test('pairs are found again by the numbers that they came with, however many there are', (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 4_000 }), (pairs) => {
      const table = new PairTable();
      const known = new Map<string, number>();
      for (const [source, target] of pairs) {
        const key = `${source} ${target}`;
        t.is(table.find(source, target), known.get(key));
        const index = table.open(source, target);
        if (!known.has(key)) known.set(key, known.size);
        t.is(index, known.get(key) as number);
        t.deepEqual([table.source(index), table.target(index)], [source, target]);
      }
      t.is(table.size, known.size);
    }),
    { numRuns: 20 },
  );
});
