import fc from 'fast-check';
import test from 'ava';
import {
  allConnections,
  type ConnectionSet,
  connectionOf,
  connectionSet,
  containsConnections,
  countConnections,
  equalConnections,
  formatConnections,
  hasConnection,
  intersectConnections,
  isEmptyConnections,
  noConnections,
  subtractConnections,
  unionConnections,
} from '../../controller/model/connection-set.ts';
import { portSetOf } from '../../controller/model/port-set.ts';
import { policyProtocols } from '../../controller/model/protocol.ts';

const ports = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 6 }).map((list) => portSetOf(...list));
const set: fc.Arbitrary<ConnectionSet> = fc.record({ TCP: ports, UDP: ports, SCTP: ports });
const protocol = fc.constantFrom(...policyProtocols);
const port = fc.integer({ min: 1, max: 12 });

test('every operation is what it is protocol by protocol and port by port', (t) => {
  fc.assert(
    fc.property(set, set, protocol, port, (a, b, kind, number) => {
      const [inA, inB] = [hasConnection(a, kind, number), hasConnection(b, kind, number)];
      return (
        hasConnection(unionConnections(a, b), kind, number) === (inA || inB) &&
        hasConnection(intersectConnections(a, b), kind, number) === (inA && inB) &&
        hasConnection(subtractConnections(a, b), kind, number) === (inA && !inB)
      );
    }),
    { numRuns: 1_000 },
  );
  t.pass();
});

test('a without b and a with b in common make a again, and share nothing', (t) => {
  fc.assert(
    fc.property(set, set, (a, b) => {
      const [without, common] = [subtractConnections(a, b), intersectConnections(a, b)];
      return (
        equalConnections(unionConnections(without, common), a) &&
        isEmptyConnections(intersectConnections(without, common))
      );
    }),
  );
  t.pass();
});

test('containment, equality and counting agree', (t) => {
  fc.assert(
    fc.property(set, set, (a, b) => {
      const both = unionConnections(a, b);
      const contained = containsConnections(a, b);
      return (
        containsConnections(both, a) &&
        contained === equalConnections(both, a) &&
        contained === isEmptyConnections(subtractConnections(b, a)) &&
        countConnections(both) + countConnections(intersectConnections(a, b)) ===
          countConnections(a) + countConnections(b)
      );
    }),
  );
  t.pass();
});

test('53/TCP and 53/UDP are two things', (t) => {
  const both = unionConnections(connectionOf('TCP', 53), connectionOf('UDP', 53));
  t.is(countConnections(both), 2);
  t.false(containsConnections(connectionOf('TCP', 53), connectionOf('UDP', 53)));
  t.is(formatConnections(both), 'TCP 53; UDP 53');
});

test('everything and nothing have a word', (t) => {
  t.is(formatConnections(allConnections), 'everything');
  t.is(formatConnections(noConnections), 'nothing');
  t.true(isEmptyConnections(connectionSet({})));
});
