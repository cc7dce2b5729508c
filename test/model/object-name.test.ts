import fc from 'fast-check';
import test from 'ava';
import { fnv1a, objectName } from '../../controller/model/object-name.ts';

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const part = fc.oneof(
  fc.string({ maxLength: 80 }),
  fc.stringMatching(/^[a-z0-9.-]{1,70}$/),
  fc.constantFrom('', '-', 'Web', 'web', 'web-', 'ä', 'x'.repeat(63), 'x'.repeat(64)),
);

test('whatever it is made of, the name is one that Kubernetes takes', (t) => {
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => dnsLabel.test(objectName(...parts))),
    { numRuns: 2_000 },
  );
  t.pass();
});

test('a name that fits already stays as it is', (t) => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9](?:[-a-z0-9]{0,50}[a-z0-9])?$/), (name) => objectName(name) === name),
  );
  t.is(objectName('nanoseg', 'cart'), 'nanoseg-cart');
});

test('different originals have different names', (t) => {
  fc.assert(
    fc.property(part, part, (a, b) => a === b || objectName('n', a) !== objectName('n', b)),
    { numRuns: 2_000 },
  );
  const long = 'x'.repeat(70);
  t.not(objectName(`${long}a`), objectName(`${long}b`));
  t.not(objectName('web.a'), objectName('web-a'));
});

test('the hash is FNV-1a with its published values', (t) => {
  t.is(fnv1a(''), 0x811c9dc5);
  t.is(fnv1a('a'), 0xe40c292c);
  t.is(fnv1a('foobar'), 0xbf9cf968);
});
