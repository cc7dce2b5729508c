import fc from 'fast-check';
import test from 'ava';
import {
  allPorts,
  complementPorts,
  containsPorts,
  countPorts,
  equalPorts,
  formatPorts,
  hasPort,
  highestPort,
  intersectPorts,
  isPort,
  lowestPort,
  noPorts,
  type PortInterval,
  type PortSet,
  portSet,
  portSetOf,
  subtractPorts,
  unionPorts,
} from '../../controller/model/port-set.ts';

// Ports near one another and at both ends, so that intervals touch, overlap and reach the limits.
const port = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 65_500, max: 65_535 }));
const interval = fc.tuple(port, port).map(([a, b]): PortInterval => [Math.min(a, b), Math.max(a, b)]);
const intervals = fc.array(interval, { maxLength: 8 });
const set = intervals.map(portSet);

function isCanonical(ports: PortSet): boolean {
  return ports.every(([from, to], i) => {
    const before = ports[i - 1];
    return isPort(from) && isPort(to) && from <= to && (before === undefined || from > before[1] + 1);
  });
}

test('a set has exactly the ports of its intervals, in one canonical form whatever their order', (t) => {
  fc.assert(
    fc.property(intervals, port, (parts, probe) => {
      const ports = portSet(parts);
      return (
        isCanonical(ports) &&
        equalPorts(ports, portSet(parts.toReversed())) &&
        hasPort(ports, probe) === parts.some(([from, to]) => from <= probe && probe <= to)
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('union, intersection, difference and complement are what they are port by port, and canonical', (t) => {
  fc.assert(
    fc.property(set, set, port, (a, b, probe) => {
      const [inA, inB] = [hasPort(a, probe), hasPort(b, probe)];
      const results: readonly (readonly [PortSet, boolean])[] = [
        [unionPorts(a, b), inA || inB],
        [intersectPorts(a, b), inA && inB],
        [subtractPorts(a, b), inA && !inB],
        [complementPorts(a), !inA],
      ];
      return results.every(([result, expected]) => isCanonical(result) && hasPort(result, probe) === expected);
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('a without b and a with b in common make a again', (t) => {
  fc.assert(
    fc.property(set, set, (a, b) => equalPorts(unionPorts(subtractPorts(a, b), intersectPorts(a, b)), a)),
    { numRuns: 500 },
  );
  t.pass();
});

test("De Morgan's laws hold, and the complement of the complement is the set", (t) => {
  fc.assert(
    fc.property(
      set,
      set,
      (a, b) =>
        equalPorts(complementPorts(unionPorts(a, b)), intersectPorts(complementPorts(a), complementPorts(b))) &&
        equalPorts(complementPorts(intersectPorts(a, b)), unionPorts(complementPorts(a), complementPorts(b))) &&
        equalPorts(complementPorts(complementPorts(a)), a),
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test('containment is an order: a union holds both parts, mutual containment is equality', (t) => {
  fc.assert(
    fc.property(set, set, (a, b) => {
      const both = unionPorts(a, b);
      const mutual = containsPorts(a, b) && containsPorts(b, a);
      return (
        containsPorts(both, a) &&
        containsPorts(both, b) &&
        containsPorts(a, intersectPorts(a, b)) &&
        mutual === equalPorts(a, b)
      );
    }),
    { numRuns: 500 },
  );
  t.pass();
});

test('counting agrees with inclusion and exclusion', (t) => {
  fc.assert(
    fc.property(
      set,
      set,
      (a, b) => countPorts(unionPorts(a, b)) + countPorts(intersectPorts(a, b)) === countPorts(a) + countPorts(b),
    ),
    { numRuns: 500 },
  );
  t.pass();
});

test('the whole and the empty set are each other’s complement', (t) => {
  t.deepEqual(complementPorts(allPorts), noPorts);
  t.deepEqual(complementPorts(noPorts), allPorts);
  t.is(countPorts(allPorts), highestPort - lowestPort + 1);
});

test('what is no port makes no set', (t) => {
  for (const bad of [0, 65_536, -1, 1.5, Number.NaN]) t.throws(() => portSetOf(bad), { instanceOf: RangeError });
  t.throws(() => portSet([[5, 4]]), { instanceOf: RangeError });
});

test('a set is written as people write it', (t) => {
  t.is(formatPorts(portSetOf(443, 80, 81)), '80-81, 443');
  t.is(formatPorts(allPorts), 'all');
  t.is(formatPorts(noPorts), '');
});
