import test from 'ava';
import fc from 'fast-check';
import { estimateCoverage } from '../../controller/learning/coverage.ts';

const anyCounts = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 40 });

function estimate(counts: readonly number[], bins = 100) {
  const result = estimateCoverage({ bins, counts }, 10);
  if (result === 'unknown') throw new Error('unknown');
  return result;
}

test('coverage is the formula of Chao and Jost, unseen that of Chao2', (t) => {
  // T = 100, U = 1+1+2+6 = 10, Q1 = 2, Q2 = 1: C = 1 - 2/10 * (99*2)/(99*2 + 2*1).
  const { coverage, unseen } = estimate([1, 1, 2, 6]);
  t.is(coverage, 1 - (2 / 10) * (198 / 200));
  t.is(unseen, (99 / 100) * (4 / 2));
});

test('without a connection seen exactly twice, unseen falls back to the bias-corrected form', (t) => {
  t.is(estimate([1, 1, 1, 7]).unseen, (99 / 100) * 3);
});

test('connections that were all seen often are covered in full', (t) => {
  t.deepEqual(estimate([3, 9, 50]), { coverage: 1, unseen: 0 });
});

test('too few bins, or nothing seen, is unknown and not 100 %', (t) => {
  t.is(estimateCoverage({ bins: 9, counts: [5, 5] }, 10), 'unknown');
  t.is(estimateCoverage({ bins: 1, counts: [1] }, 0), 'unknown');
  t.is(estimateCoverage({ bins: 100, counts: [] }, 10), 'unknown');
});

test('coverage is a share, and another connection seen once never raises it', (t) => {
  fc.assert(
    fc.property(anyCounts, (counts) => {
      const { coverage, unseen } = estimate(counts);
      t.true(coverage >= 0 && coverage <= 1);
      t.true(unseen >= 0);
      t.true(estimate([...counts, 1]).coverage <= coverage + 1e-12);
    }),
  );
});

test('counting too little of what was seen often never raises the coverage', (t) => {
  fc.assert(
    fc.property(anyCounts, (counts) => {
      const least = counts.map((count) => Math.min(count, 9));
      t.true(estimate(least).coverage <= estimate(counts).coverage + 1e-12);
    }),
  );
});
