import fc from 'fast-check';
import { type Flow, type FlowLoss, type FlowPeer, flowSourceKinds, unnamedPeer } from '../../controller/model/flow.ts';
import { mondayMs } from './sightings.ts';

/** One allowed TCP connection between two addresses or peers, with whatever the test wants otherwise. */
export function flow({
  client = '10.244.0.1',
  server = '10.244.0.2',
  ...facts
}: Partial<Omit<Flow, 'client' | 'server'>> & {
  readonly client?: string | FlowPeer;
  readonly server?: string | FlowPeer;
} = {}): Flow {
  const timeMs = facts.timeMs ?? mondayMs;
  return {
    timeMs,
    endMs: timeMs,
    client: peerOf(client),
    server: peerOf(server),
    clientPort: 40_000,
    port: 8080,
    addressed: undefined,
    protocol: 6,
    directed: true,
    verdict: 'allowed',
    answered: true,
    connections: 1,
    bytes: 0,
    source: 'nanoseg',
    node: 'n1',
    ...facts,
  };
}

function peerOf(peer: string | FlowPeer): FlowPeer {
  return typeof peer === 'string' ? { ...unnamedPeer, ip: peer } : peer;
}

const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value, { nil: undefined });
const name = fc.constantFrom('web', 'cart', 'ü"\\', '');

const anyFlowPeer: fc.Arbitrary<FlowPeer> = fc.record({
  ip: maybe(fc.constantFrom('10.244.0.1', '10.244.0.2', '2001:db8::1')),
  namespace: maybe(name),
  pod: maybe(name),
  podPrefix: maybe(name),
  workload: maybe(fc.record({ kind: name, name })),
  labels: maybe(fc.array(name, { maxLength: 2 })),
  reserved: maybe(fc.constantFrom('host', 'world')),
  node: maybe(name),
  service: maybe(fc.record({ namespace: name, name })),
  dnsNames: maybe(fc.array(name, { maxLength: 2 })),
});

const anyTimeMs = fc.integer({ min: 0, max: 10_000 }).map((second) => mondayMs + second * 1000);

/** Few values of each field, so that random flows often meet. */
export const anyFlow: fc.Arbitrary<Flow> = fc
  .record({
    timeMs: anyTimeMs,
    lengthMs: fc.constantFrom(0, 15_000),
    client: anyFlowPeer,
    server: anyFlowPeer,
    clientPort: fc.constantFrom(0, 40_000),
    port: fc.constantFrom(0, 8080, 65_535),
    addressed: maybe(fc.record({ ip: fc.constant('10.96.0.1'), port: fc.constant(443) })),
    rest: fc.record({ translatedClient: fc.constant('10.0.0.7'), serverNode: fc.constant('n2') }, { requiredKeys: [] }),
    protocol: fc.constantFrom(6, 17, 1),
    directed: fc.boolean(),
    verdict: fc.constantFrom('allowed', 'denied', 'audited', 'none'),
    answered: fc.constantFrom(undefined, true, false),
    connections: fc.constantFrom(0, 1, 7),
    bytes: fc.constantFrom(0, 2 ** 40),
    source: fc.constantFrom(...flowSourceKinds),
    node: fc.constantFrom('n1', 'n2', ''),
  })
  .map(({ lengthMs, rest, ...facts }): Flow => ({ ...facts, ...rest, endMs: facts.timeMs + lengthMs }));

export const anyLoss: fc.Arbitrary<FlowLoss> = fc.record({
  timeMs: anyTimeMs,
  source: fc.constantFrom(...flowSourceKinds),
  node: fc.constantFrom('n1', ''),
  events: maybe(fc.nat()),
  kind: fc.constantFrom('lost', 'unavailable', 'sampled', 'started'),
});
