import fc from 'fast-check';
import test from 'ava';
import {
  formatSelector,
  isLabelKey,
  isLabelValue,
  type LabelSelector,
  matchesSelector,
  type SelectorRequirement,
  selectorFaults,
  selectorKey,
  selectsEverything,
} from '../../controller/model/label-selector.ts';

const key = fc.constantFrom('app', 'tier', 'constructor');
const value = fc.constantFrom('a', 'b', '');
const labels = fc.dictionary(key, value, { noNullPrototype: true });
const values = fc.uniqueArray(value, { minLength: 1, maxLength: 3 });
const requirement: fc.Arbitrary<SelectorRequirement> = fc.oneof(
  fc.record({ key, operator: fc.constantFrom('In' as const, 'NotIn' as const), values }),
  fc.record({ key, operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
);
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(requirement, { maxLength: 3 }) },
  { requiredKeys: [] },
);

const only = (one: SelectorRequirement): LabelSelector => ({ matchExpressions: [one] });

test('a selector matches exactly where each of its parts does', (t) => {
  fc.assert(
    fc.property(selector, labels, (whole, pod) => {
      const parts = [
        ...Object.entries(whole.matchLabels ?? {}).map(([name, text]) =>
          only({ key: name, operator: 'In', values: [text] }),
        ),
        ...(whole.matchExpressions ?? []).map(only),
      ];
      return matchesSelector(whole, pod) === parts.every((part) => matchesSelector(part, pod));
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

test('NotIn is not In, DoesNotExist is not Exists, also where the key is absent', (t) => {
  fc.assert(
    fc.property(key, values, labels, (name, listed, pod) => {
      const matches = (operator: SelectorRequirement['operator'], list?: readonly string[]) =>
        matchesSelector(only({ key: name, operator, ...(list && { values: list }) }), pod);
      return (
        matches('NotIn', listed) === !matches('In', listed) &&
        matches('DoesNotExist') === !matches('Exists') &&
        matches('Exists') === Object.hasOwn(pod, name) &&
        (!matches('In', listed) || matches('Exists'))
      );
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

test('names that every object inherits are no labels', (t) => {
  t.false(matchesSelector(only({ key: 'constructor', operator: 'Exists' }), {}));
  t.false(matchesSelector({ matchLabels: { toString: 'x' } }, {}));
});

test('a selector without parts selects everything, and only such a one', (t) => {
  fc.assert(fc.property(selector, labels, (one, pod) => !selectsEverything(one) || matchesSelector(one, pod)));
  t.true(selectsEverything({}));
  t.true(selectsEverything({ matchLabels: {}, matchExpressions: [] }));
  t.false(selectsEverything({ matchExpressions: [{ key: 'a', operator: 'DoesNotExist' }] }));
});

test('selectors with one key match the same pods', (t) => {
  fc.assert(
    fc.property(selector, selector, labels, (a, b, pod) => {
      if (selectorKey(a) !== selectorKey(b)) return true;
      return matchesSelector(a, pod) === matchesSelector(b, pod);
    }),
    { numRuns: 3_000 },
  );
  t.pass();
});

test('the key of a selector depends neither on order nor on spelling', (t) => {
  fc.assert(
    fc.property(selector, (one) => {
      const expressions = (one.matchExpressions ?? []).toReversed();
      const respelled: LabelSelector = {
        matchExpressions: [
          ...expressions.map((part) => ({ ...part, ...(part.values && { values: part.values.toReversed() }) })),
          ...expressions,
          ...Object.entries(one.matchLabels ?? {}).map(([name, text]) => ({
            key: name,
            operator: 'In' as const,
            values: [text],
          })),
        ],
      };
      return selectorKey(respelled) === selectorKey(one);
    }),
  );
  t.pass();
});

test('well-formed selectors have no faults, malformed ones name the field', (t) => {
  fc.assert(fc.property(selector, (one) => selectorFaults(one).length === 0));
  const faults = selectorFaults({
    matchLabels: { 'a b': 'x', a: 'x y' },
    matchExpressions: [
      { key: '', operator: 'Exists' },
      { key: 'a', operator: 'In', values: [] },
      { key: 'a', operator: 'DoesNotExist', values: ['x'] },
      { key: 'a', operator: 'NotIn', values: ['-'] },
    ],
  });
  t.deepEqual(
    faults.map((fault) => fault.split(':')[0]),
    [
      'matchLabels',
      'matchLabels.a',
      'matchExpressions[0]',
      'matchExpressions[1]',
      'matchExpressions[2]',
      'matchExpressions[3]',
    ],
  );
});

test('keys and values are as long and as shaped as Kubernetes allows', (t) => {
  for (const good of ['a', 'A.b_c-d', 'x'.repeat(63), 'example.org/a', `${'a.'.repeat(126)}a/x`])
    t.true(isLabelKey(good), good);
  for (const bad of [
    '',
    '-a',
    'a-',
    'x'.repeat(64),
    '/a',
    'a/',
    'a/b/c',
    'Example.org/a',
    `${'a.'.repeat(127)}a/x`,
    'ä',
    'a b',
    '__proto__',
  ]) {
    t.false(isLabelKey(bad), bad);
  }
  for (const good of ['', 'a', 'A-1_b.c', 'x'.repeat(63)]) t.true(isLabelValue(good), good);
  for (const bad of ['-', 'a-', '.a', 'x'.repeat(64), 'a b', 'a\n', 'a/b']) t.false(isLabelValue(bad), bad);
});

test('a selector reads like a sentence', (t) => {
  t.is(
    formatSelector({
      matchLabels: { app: 'web' },
      matchExpressions: [
        { key: 'tier', operator: 'In', values: ['a', 'b'] },
        { key: 'env', operator: 'NotIn', values: ['dev'] },
        { key: 'live', operator: 'Exists' },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    }),
    'app=web, tier in (a, b), env not in (dev), live, !old',
  );
});
