import { BlockList, isIP } from 'node:net';
import fc from 'fast-check';
import test from 'ava';
import {
  allAddresses,
  type Cidr,
  type CidrSet,
  canonicalIp,
  cidrContains,
  cidrRange,
  cidrSet,
  cidrSetOf,
  complementAddresses,
  containsAddresses,
  countAddresses,
  equalAddresses,
  formatAddresses,
  formatCidr,
  formatIp,
  hasAddress,
  hostCidr,
  type IpAddress,
  intersectAddresses,
  isEmptyAddresses,
  noAddresses,
  parseCidr,
  parseIp,
  subtractAddresses,
  toCidrs,
  unionAddresses,
} from '../../controller/model/cidr.ts';

const v4 = fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value): IpAddress => ({ family: 4, value }));
const v6 = fc
  .bigInt({ min: 0n, max: (1n << 128n) - 1n })
  .filter((value) => value >> 32n !== 0xffffn)
  .map((value): IpAddress => ({ family: 6, value }));
const address = fc.oneof(v4, v6);

// Few leading bits vary, so that blocks nest, touch and repeat; some reach both ends of their family.
const nearby = fc
  .record({ family: fc.constantFrom(4 as const, 6 as const), high: fc.bigInt({ min: 0n, max: 15n }), low: fc.nat(15) })
  .map(({ family, high, low }): IpAddress => ({ family, value: (high << (family === 4 ? 28n : 124n)) | BigInt(low) }));
const block = fc
  .tuple(nearby, fc.integer({ min: 0, max: 6 }), fc.boolean())
  .map(([{ family, value }, size, fromTop]): Cidr => {
    const bits = family === 4 ? 32 : 128;
    const prefix = fromTop ? size : bits - size;
    const shift = BigInt(bits - prefix);
    return { family, value: (value >> shift) << shift, prefix };
  });
const set = fc.array(block, { maxLength: 6 }).map(cidrSet);

function isCanonical({ v4: four, v6: six }: CidrSet): boolean {
  return [four, six].every((ranges) =>
    ranges.every(([from, to], i) => {
      const before = ranges[i - 1];
      return from <= to && (before === undefined || from > before[1] + 1n);
    }),
  );
}

test('an address survives being written and read', (t) => {
  fc.assert(
    fc.property(address, (ip) => {
      const text = formatIp(ip);
      const again = parseIp(text);
      return isIP(text) === ip.family && again?.family === ip.family && again.value === ip.value;
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

test('generated addresses are read as the platform reads them', (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => (isIP(text) !== 0) === (parseIp(text) !== undefined)),
    { numRuns: 1_000 },
  );
  t.pass();
});

test('whatever the platform refuses as an address is refused', (t) => {
  const pieces = fc.array(
    fc.constantFrom(
      '0',
      '1',
      '01',
      '255',
      '256',
      '999',
      'a',
      'ffff',
      '12345',
      '.',
      ':',
      '::',
      '/',
      ' ',
      '-',
      'g',
      '%eth0',
      '١',
      '',
    ),
    { maxLength: 12 },
  );
  fc.assert(
    fc.property(
      fc.oneof(
        pieces.map((parts) => parts.join('')),
        fc.string(),
      ),
      (text) => isIP(text) !== 0 || parseIp(text) === undefined,
    ),
    { numRuns: 3_000 },
  );
  t.pass();
});

test('what the platform accepts is accepted, but an address with a zone', (t) => {
  const pieces = fc.array(fc.constantFrom('0', '1', 'ff', ':', '::', '1.2.3.4'), { maxLength: 15 });
  fc.assert(
    fc.property(
      pieces.map((parts) => parts.join('')),
      (text) => (isIP(text) !== 0) === (parseIp(text) !== undefined),
    ),
    { numRuns: 3_000 },
  );
  t.is(parseIp('fe80::1%eth0'), undefined);
});

test('octal, short and padded forms are no addresses', (t) => {
  for (const text of [
    '010.0.0.1',
    '10.1',
    '10.0.0.1 ',
    '1.2.3.4.',
    '1.2.3.4.5',
    '0x7f.0.0.1',
    '1::2::3',
    ':::',
    '12345::',
  ]) {
    t.is(parseIp(text), undefined, text);
  }
});

test('an IPv4 address mapped into IPv6 is the IPv4 address', (t) => {
  t.is(canonicalIp('::ffff:10.0.0.1'), '10.0.0.1');
  t.deepEqual(parseCidr('::ffff:10.0.0.0/104'), parseCidr('10.0.0.0/8'));
  t.is(parseCidr('::ffff:10.0.0.0/8'), undefined);
});

test('the text of IPv6 is that of RFC 5952', (t) => {
  for (const [text, expected] of [
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
  ] as const) {
    t.is(canonicalIp(text), expected);
  }
});

test('a CIDR survives being written and read, and holds its own addresses alone', (t) => {
  fc.assert(
    fc.property(address, fc.nat(128), address, ({ family, value }, size, probe) => {
      const prefix = family === 4 ? size % 33 : size;
      const parsed = parseCidr(`${formatIp({ family, value })}/${prefix}`);
      if (parsed === undefined) return false;
      const list = new BlockList();
      list.addSubnet(formatIp(parsed), prefix, family === 4 ? 'ipv4' : 'ipv6');
      const expected = probe.family === family && list.check(formatIp(probe), family === 4 ? 'ipv4' : 'ipv6');
      const [from, to] = cidrRange(parsed);
      return (
        formatCidr(parsed) === `${formatIp(parsed)}/${prefix}` &&
        from <= value &&
        value <= to &&
        cidrContains(parsed, hostCidr(probe)) === expected &&
        hasAddress(cidrSet([parsed]), probe) === expected
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('prefixes are decimal and fit the family', (t) => {
  for (const text of [
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/08',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'fd00::/129',
    '/8',
    '10.0.0.0/1e1',
    '10.0.0.0/ 8',
  ]) {
    t.is(parseCidr(text), undefined, text);
  }
  t.deepEqual(parseCidr('10.1.2.3/8'), parseCidr('10.0.0.0/8'));
  t.is(parseCidr('fd00::1')?.prefix, 128);
});

test('sets are canonical whatever the order of their blocks, and their blocks make them up again', (t) => {
  fc.assert(
    fc.property(fc.array(block, { maxLength: 6 }), nearby, (blocks, probe) => {
      const ranges = cidrSet(blocks);
      return (
        isCanonical(ranges) &&
        equalAddresses(ranges, cidrSet(blocks.toReversed())) &&
        equalAddresses(ranges, cidrSet(toCidrs(ranges))) &&
        equalAddresses(ranges, cidrSetOf(...formatAddresses(ranges))) &&
        hasAddress(ranges, probe) === blocks.some((one) => cidrContains(one, hostCidr(probe)))
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('no two blocks of the decomposition could be one', (t) => {
  fc.assert(
    fc.property(set, (ranges) =>
      toCidrs(ranges).every(({ family, value, prefix }, i, blocks) => {
        const next = blocks[i + 1];
        if (next === undefined || next.family !== family || next.prefix !== prefix || prefix === 0) return true;
        const shift = BigInt((family === 4 ? 32 : 128) - prefix + 1);
        return value >> shift !== next.value >> shift;
      }),
    ),
  );
  t.pass();
});

test('the algebra of sets holds for addresses', (t) => {
  fc.assert(
    fc.property(set, set, nearby, (a, b, probe) => {
      const [inA, inB] = [hasAddress(a, probe), hasAddress(b, probe)];
      const [both, common, without, others] = [
        unionAddresses(a, b),
        intersectAddresses(a, b),
        subtractAddresses(a, b),
        complementAddresses(a),
      ];
      return (
        [both, common, without, others].every(isCanonical) &&
        hasAddress(both, probe) === (inA || inB) &&
        hasAddress(common, probe) === (inA && inB) &&
        hasAddress(without, probe) === (inA && !inB) &&
        hasAddress(others, probe) === !inA &&
        equalAddresses(unionAddresses(without, common), a) &&
        equalAddresses(complementAddresses(both), intersectAddresses(others, complementAddresses(b))) &&
        equalAddresses(complementAddresses(others), a) &&
        containsAddresses(both, a) &&
        containsAddresses(a, b) === equalAddresses(both, a) &&
        countAddresses(both) + countAddresses(common) === countAddresses(a) + countAddresses(b)
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('a single IPv6 address is a block of one address, never a /32', (t) => {
  const ip = parseIp('fd00::1');
  t.truthy(ip);
  if (ip === undefined) return;
  t.is(formatCidr(hostCidr(ip)), 'fd00::1/128');
  t.is(countAddresses(cidrSet([hostCidr(ip)])), 1n);
});

test('the families are kept apart, and all and nothing are each other’s complement', (t) => {
  t.false(hasAddress(cidrSetOf('0.0.0.0/0'), { family: 6, value: 1n }));
  t.false(cidrContains({ family: 4, value: 0n, prefix: 0 }, { family: 6, value: 0n, prefix: 128 }));
  t.deepEqual(complementAddresses(allAddresses), noAddresses);
  t.deepEqual(complementAddresses(noAddresses), allAddresses);
  t.true(isEmptyAddresses(noAddresses));
  t.throws(() => cidrSetOf('10.0.0.0/99'), { instanceOf: RangeError });
});
