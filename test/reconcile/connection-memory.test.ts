import test from 'ava';
import fc from 'fast-check';
import type { Endpoint } from '../../controller/model/endpoint.ts';
import type { AttributedPeer } from '../../controller/model/sighting.ts';
import { ConnectionMemory } from '../../controller/reconcile/connection-memory.ts';
import { peer, workload } from '../support/sightings.ts';

const external = (i: number): Endpoint => ({ kind: 'external', address: `external-${i}` });

function memoryOf(limit: number) {
  let made = 0;
  const memory = new ConnectionMemory<string>({
    limit,
    isRelevant: (endpoint) => endpoint.kind === 'workload',
    make: (source, destination, protocol, port) => {
      made++;
      return JSON.stringify([source, destination, protocol, port]);
    },
  });
  return { memory, made: () => made };
}

test('a connection that was seen before is not looked into again, whoever its pods are', (t) => {
  const { memory, made } = memoryOf(100);
  const ask = (replica: number) => memory.find(peer(workload('web'), replica), peer(workload('cart')), 6, 80);
  t.is(ask(1), ask(2));
  t.is(made(), 1);
});

test('what is forgotten is made anew, and only that', (t) => {
  const { memory, made } = memoryOf(100);
  const [web, cart, pay] = ['web', 'cart', 'pay'].map((name) => peer(workload(name))) as [
    AttributedPeer,
    AttributedPeer,
    AttributedPeer,
  ];
  const ask = () => [memory.find(web, cart, 6, 80), memory.find(cart, pay, 6, 80), memory.find(web, pay, 6, 80)];
  ask();
  memory.forget(web.endpoint);
  ask();
  t.is(made(), 5);
});

test('connections between irrelevant sides are not looked into', (t) => {
  const { memory, made } = memoryOf(100);
  t.is(memory.find(peer(external(1)), peer(external(2)), 6, 80), undefined);
  t.is(made(), 0);
});

test('a scan of addresses and ports does not make it grow', (t) => {
  const { memory } = memoryOf(1000);
  const web = peer(workload('web'));
  let most = 0;
  for (let i = 0; i < 100_000; i++) {
    memory.find(web, peer(external(i % 5000)), 6, i % 65_536);
    most = Math.max(most, memory.size);
  }
  t.is(most, 1000);
});

const ends = [...['web', 'cart'].map((name) => workload(name)), external(1), external(2)];
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      from: fc.nat(3),
      to: fc.nat(3),
      protocol: fc.constantFrom(1, 6, 17, 255),
      port: fc.constantFrom(0, 1, 80, 65_535),
    }),
  },
  fc.record({ forget: fc.nat(3) }),
  fc.constant('peers' as const),
);

test('the answer is that of the connection that was asked for', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.integer({ min: 0, max: 5 }), (steps, limit) => {
      const { memory } = memoryOf(limit);
      const peers = ends.map((endpoint) => peer(endpoint));
      for (const one of steps) {
        if (one === 'peers') memory.forgetPeers();
        else if ('forget' in one) memory.forget(ends[one.forget] as Endpoint);
        else {
          const { from, to, protocol, port } = one;
          const expected = from > 1 && to > 1 ? undefined : JSON.stringify([ends[from], ends[to], protocol, port]);
          t.is(memory.find(peers[from] as AttributedPeer, peers[to] as AttributedPeer, protocol, port), expected);
        }
      }
    }),
  );
});
