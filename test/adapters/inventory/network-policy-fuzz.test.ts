import { isIP, isIPv4 } from 'node:net';
import test from 'ava';
import fc from 'fast-check';
import { networkPolicyFromObject } from '../../../controller/adapters/inventory/network-policy.ts';

const inputs = 100_000;

const whole = {
  podSelector: { matchLabels: { app: 'web' }, matchExpressions: [{ key: 'tier', operator: 'In', values: ['a', 'b'] }] },
  policyTypes: ['Ingress', 'Egress'],
  ingress: [
    {
      from: [
        { podSelector: { matchLabels: { app: 'cart' } }, namespaceSelector: {} },
        { ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } },
      ],
      ports: [{ protocol: 'TCP', port: 8080, endPort: 8090 }, { port: 'http' }],
    },
  ],
  egress: [{ to: [{ ipBlock: { cidr: 'fd00::/8' } }], ports: [{ protocol: 'UDP', port: 53 }] }],
};

const odd: readonly unknown[] = [
  undefined,
  null,
  '',
  'Ingress',
  'ingress',
  'In',
  'Exists',
  'TCP',
  'ICMP',
  '80',
  'http',
  '-',
  'a/b/c',
  'x'.repeat(64),
  '10.0.0.0/8',
  '10.0.0.0/33',
  '10.0.0.0',
  '::/0',
  0,
  -1,
  1.5,
  80,
  65_536,
  true,
  [],
  [null],
  ['10.1.0.0/16', '::1/128'],
  {},
  { key: 'a', operator: 'Exists', values: ['b'] },
  { podSelector: {} },
  { _from: [{}] },
  { from: [] },
  [{}],
];

type Place = readonly (string | number)[];

function placesOf(value: unknown, at: Place = []): Place[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [at, ...Object.entries(value).flatMap(([key, item]) => placesOf(item, [...at, key]))];
}

const places = placesOf(whole).filter((place) => place.length > 0);
const keys = [
  '_from',
  'from',
  'to',
  'cidr',
  'except',
  'port',
  'endPort',
  'protocol',
  'podSelector',
  'ipBlock',
  'values',
];

/** Puts a value where another was, or beside it under a key that may not belong there. */
function spoil(spec: unknown, place: Place, key: string | undefined, value: unknown): void {
  let holder = spec as Record<string, unknown>;
  for (const step of place.slice(0, -1)) {
    const next = holder[step];
    if (typeof next !== 'object' || next === null) return;
    holder = next as Record<string, unknown>;
  }
  const last = place.at(-1) as string;
  holder[key ?? last] = value;
}

/** What the API's documentation says a stored policy may hold, written without the product's own schemas. */
function isStorable(spec: Record<string, unknown>): boolean {
  const only = (value: object, ...allowed: string[]) => Object.keys(value).every((key) => allowed.includes(key));
  const list = (value: unknown) => (value === undefined ? [] : (value as Record<string, unknown>[]));
  const rules = [...list(spec['ingress']), ...list(spec['egress'])];
  const peers = rules.flatMap((rule) => [...list(rule['from']), ...list(rule['to'])]);
  return (
    only(spec, 'podSelector', 'policyTypes', 'ingress', 'egress') &&
    list(spec['ingress']).every((rule) => only(rule, 'from', 'ports')) &&
    list(spec['egress']).every((rule) => only(rule, 'to', 'ports')) &&
    ((spec['policyTypes'] ?? []) as unknown[]).every((type) => type === 'Ingress' || type === 'Egress') &&
    peers.every((peer) => only(peer, 'podSelector', 'namespaceSelector', 'ipBlock') && isOnePeer(peer)) &&
    rules
      .flatMap((rule) => list(rule['ports']))
      .every((port) => only(port, 'protocol', 'port', 'endPort') && isPort(port))
  );
}

function isOnePeer({ podSelector, namespaceSelector, ipBlock }: Record<string, unknown>): boolean {
  if (ipBlock === undefined) return podSelector !== undefined || namespaceSelector !== undefined;
  const { cidr, except = [] } = ipBlock as { cidr: string; except?: string[] };
  const alone = podSelector === undefined && namespaceSelector === undefined;
  return alone && isCidr(cidr) && except.every((hole) => isCidr(hole) && isIPv4(base(hole)) === isIPv4(base(cidr)));
}

const base = (cidr: string) => cidr.split('/')[0] ?? '';

function isCidr(text: unknown): boolean {
  if (typeof text !== 'string') return false;
  const [address = '', length = ''] = text.split('/');
  return isIP(address) > 0 && /^\d+$/.test(length) && Number(length) <= (isIPv4(address) ? 32 : 128);
}

function isPort({ protocol, port, endPort }: Record<string, unknown>): boolean {
  const isNumber = (value: unknown) => Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
  const named = typeof port === 'string' && /^(?=.*[a-z])[a-z0-9-]{1,15}$/.test(port);
  return (
    [undefined, 'TCP', 'UDP', 'SCTP'].includes(protocol as string | undefined) &&
    (port === undefined || isNumber(port) || named) &&
    (endPort === undefined || (isNumber(endPort) && isNumber(port) && (endPort as number) >= (port as number)))
  );
}

test('of 100,000 spoiled policies none is taken that the API server would refuse, and none is a crash', (t) => {
  const fault = fc.record({
    place: fc.constantFrom(...places),
    key: fc.option(fc.constantFrom(...keys), { nil: undefined, freq: 4 }),
    value: fc.constantFrom(...odd),
  });
  let taken = 0;
  fc.assert(
    fc.property(fc.array(fault, { minLength: 1, maxLength: 3 }), (faults) => {
      const spec = structuredClone(whole);
      for (const { place, key, value } of faults) spoil(spec, place, key, structuredClone(value));
      const metadata = { name: 'p', namespace: 'shop' };
      const body = { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata, spec };
      const object = { apiVersion: body.apiVersion, kind: body.kind, ...metadata, body, where: 'p.yaml:1' };
      const reading = networkPolicyFromObject(object);
      if ('problems' in reading) return reading.problems.length > 0;
      taken++;
      return isStorable(reading.policy.spec as unknown as Record<string, unknown>);
    }),
    { numRuns: inputs },
  );
  t.true(taken > inputs / 100, 'the mutations are not all hopeless');
});
