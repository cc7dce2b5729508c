import fc from 'fast-check';
import type { Endpoint } from '../../controller/model/endpoint.ts';
import { flowSourceKinds } from '../../controller/model/flow.ts';
import type { AttributedPeer, Sighting } from '../../controller/model/sighting.ts';
import { workloadKey } from '../../controller/model/workload.ts';

export const minuteMs = 60_000;
export const hourMs = 60 * minuteMs;
export const dayMs = 24 * hourMs;
/** A Monday, at midnight UTC. */
export const mondayMs = Date.UTC(2026, 0, 5);

export function workload(name: string, namespace = 'shop'): Endpoint {
  return { kind: 'workload', workload: workloadKey({ namespace, kind: 'Deployment', name }) };
}

export function peer(endpoint: Endpoint, replica = 1): AttributedPeer {
  return { endpoint, replica };
}

/** One allowed TCP connection from shop/web to shop/cart on 8080, with whatever the test wants otherwise. */
export function sighting(wanted: Partial<Sighting> = {}): Sighting {
  const timeMs = wanted.timeMs ?? mondayMs;
  return {
    timeMs,
    endMs: timeMs,
    client: peer(workload('web')),
    server: peer(workload('cart')),
    clientIp: undefined,
    serverDnsNames: undefined,
    clientPort: 40_000,
    port: 8080,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: undefined,
    connections: 1,
    bytes: 0,
    source: 'hubble',
    ...wanted,
  };
}

const anyEndpoint: fc.Arbitrary<Endpoint> = fc.oneof(
  fc.constantFrom('web', 'cart', 'pay').map((name) => workload(name)),
  fc.constantFrom('n1', '').map((name): Endpoint => ({ kind: 'node', name })),
  fc.constantFrom('192.0.2.1', '2001:db8::1', 'world').map((address): Endpoint => ({ kind: 'external', address })),
  fc.constant<Endpoint>({ kind: 'service', namespace: 'default', name: 'kubernetes' }),
  fc.constant<Endpoint>({ kind: 'unknown', reason: 'no-owner', address: '10.1.2.3' }),
);

const anyPeer = fc.record({ endpoint: anyEndpoint, replica: fc.constantFrom(0, 1, 2, 3, 4, 5, 4_000_000_000) });

/** Few endpoints, few ports, many times: so that random sightings often meet in one connection. */
export const anySighting: fc.Arbitrary<Sighting> = fc
  .record({
    timeMs: fc.oneof(
      fc.integer({ min: 0, max: 3 * 24 * 60 }).map((minute) => mondayMs + minute * minuteMs),
      fc.integer({ min: 0, max: 4000 }).map((day) => mondayMs + day * dayMs),
    ),
    lengthMs: fc.constantFrom(0, 15_000),
    client: anyPeer,
    server: anyPeer,
    clientIp: fc.constantFrom(undefined, '10.0.0.1', '10.0.0.2'),
    serverDnsNames: fc.option(fc.array(fc.stringMatching(/^[a-c]{1,2}\.example$/), { maxLength: 4 }), {
      nil: undefined,
    }),
    clientPort: fc.constantFrom(0, 40_000, 40_001),
    port: fc.constantFrom(0, 53, 8080, 65_535),
    protocol: fc.constantFrom(6, 17, 1),
    directed: fc.boolean(),
    verdict: fc.constantFrom('allowed', 'denied', 'audited', 'none'),
    answered: fc.constantFrom(undefined, true, false),
    connections: fc.constantFrom(1, 7),
    bytes: fc.constant(0),
    source: fc.constantFrom(...flowSourceKinds),
  })
  .map(({ lengthMs, ...rest }) => ({ ...rest, endMs: rest.timeMs + lengthMs }));
