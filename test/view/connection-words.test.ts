import test from 'ava';
import fc from 'fast-check';
import { connectionIdWords, connectionWords } from '../../controller/view/connection-words.ts';
import { groupedItems, itemLine, notAmong } from '../../controller/view/listed-items.ts';
import { type Connection, connectionId } from '../../controller/model/connection.ts';
import type { Endpoint } from '../../controller/model/endpoint.ts';
import { workloadKey } from '../../controller/model/workload.ts';

const name = fc.stringMatching(/^[a-z][a-z0-9.-]{0,8}$/);
const address = fc.constantFrom('203.0.113.7', '2001:db8::7', 'fd00::', 'world');
const endpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  fc.record({ namespace: name, kind: fc.constantFrom('Deployment', 'Pod'), name }).map((ref) => ({
    kind: 'workload' as const,
    workload: workloadKey(ref),
  })),
  fc.record({ kind: fc.constant('node' as const), name: fc.oneof(name, fc.constant('')) }),
  fc.record({ kind: fc.constant('service' as const), namespace: name, name }),
  fc.constant({ kind: 'service' as const, namespace: 'default', name: 'kubernetes' }),
  fc.record({ kind: fc.constant('external' as const), address }),
  fc.record({
    kind: fc.constant('unknown' as const),
    reason: fc.constantFrom('ambiguous' as const, 'no-owner' as const),
    address: fc.oneof(address, fc.constant('')),
  }),
);

test('the id of a connection says the same in words as the connection itself', (t) => {
  fc.assert(
    fc.property(
      endpoint,
      endpoint,
      fc.constantFrom(1, 6, 17, 58, 132, 200),
      fc.integer({ min: 0, max: 65_535 }),
      fc.boolean(),
      (source, destination, protocol, port, directed) => {
        const id = connectionId(source, destination, protocol, port, directed);
        const connection = { id, source, destination, protocol, port, directed } as Connection;
        return connectionIdWords(id) === connectionWords(connection);
      },
    ),
  );
  t.is(connectionIdWords('something else'), 'something else');
});

const item = (source: string, target: string, message: string) => ({
  connection: `workload:a/Pod/${source}>workload:a/Pod/${target}:TCP/22`,
  message,
});

test('a scan is one line, and what was held back is not listed a second time', (t) => {
  const scanned = ['v', 'w', 'x', 'y'].map((target) => item('scan', target, 'scan'));
  const heldBack = [...scanned, item('scan', 'z', 'new client')];
  t.deepEqual(groupedItems(heldBack), [
    'a/Pod/scan > a/Pod/v TCP 22, a/Pod/w TCP 22, a/Pod/x TCP 22 and 1 more: scan',
    'a/Pod/scan > a/Pod/z TCP 22: new client',
  ]);
  const denied = [item('scan', 'x', 'no rule'), item('scan', 'u', 'no rule')];
  t.deepEqual(notAmong({ count: 2, items: denied }, { count: 5, items: heldBack }), denied.slice(1));
});

test('a reason does not say again what connection it is about', (t) => {
  t.is(
    itemLine(item('a', 'b', 'egress a/Pod/b TCP 22: no rule allows it')),
    'a/Pod/a > a/Pod/b TCP 22: no rule allows it (egress)',
  );
  t.is(itemLine(item('a', 'b', 'ingress a/Pod/a TCP 22: no rule')), 'a/Pod/a > a/Pod/b TCP 22: no rule (ingress)');
  const another = 'ingress the API server TCP 22: no rule';
  t.is(itemLine(item('a', 'b', another)), `a/Pod/a > a/Pod/b TCP 22: ${another}`);
});
