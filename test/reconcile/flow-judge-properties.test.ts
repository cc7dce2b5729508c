import test from 'ava';
import fc from 'fast-check';
import { parseIp } from '../../controller/model/cidr.ts';
import type { Endpoint } from '../../controller/model/endpoint.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import { compilePolicies } from '../../controller/policy/evaluate/compile-policies.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { evaluator } from '../../controller/policy/evaluate/evaluator.ts';
import type { Party } from '../../controller/policy/evaluate/views.ts';
import { proofWorld } from '../../controller/policy/proof-world.ts';
import { FlowJudge } from '../../controller/reconcile/flow-judge.ts';
import { policyWorld } from '../support/random-policy-world.ts';
import { peer } from '../support/sightings.ts';
import { appliedMs, findings, flow, policy, port, shadow, shop, watched, worldOf } from './judged-shop.ts';

const flowTexts = [
  'web > cart 8080',
  'web > cart 22',
  'cart > redis 6379',
  'redis > cart 8080',
  'cart > cart 8080',
  'node:a > cart 8080',
  '203.0.113.7 > cart 8080',
  'cart > 203.0.113.8 443',
  'unknown > cart 8080',
];
const anyFlow = fc
  .record({
    text: fc.constantFrom(...flowTexts),
    verdict: fc.constantFrom('allowed' as const, 'denied' as const, 'none' as const, 'audited' as const),
    answered: fc.constantFrom(undefined, true, false),
    directed: fc.constantFrom(true, true, true, false),
    timeMs: fc.constantFrom(appliedMs - 1, appliedMs, appliedMs + 60_000),
    protocol: fc.constantFrom(6, 6, 6, 1),
  })
  .map(({ text, ...parts }) => flow(text, parts));
const anyChange = fc.oneof(
  { weight: 6, arbitrary: anyFlow.map((one) => (judge: FlowJudge) => judge.observe(one)) },
  fc
    .record({ digest: fc.constantFrom('one', 'two'), enforced: fc.boolean(), wide: fc.boolean() })
    .map(({ wide, ...parts }) => {
      const inForce = wide ? [policy('by-hand', 'cart', { ingress: [{ ports: port(22) }] })] : [];
      return (judge: FlowJudge) => judge.watch('cart', watched({ ...parts, inForce }));
    }),
  fc.constant((judge: FlowJudge) => judge.setWorld(worldOf(shop()))),
  fc.constant((judge: FlowJudge) => judge.unwatch('cart')),
);

test('what is remembered makes no difference: a judge without memory finds the same', (t) => {
  fc.assert(
    fc.property(fc.array(anyChange, { maxLength: 40 }), (changes) => {
      const judges = [new FlowJudge(), new FlowJudge({ rememberedConnections: 0 })];
      for (const judge of judges) {
        judge.setWorld(worldOf(shop()));
        judge.watch('cart', watched());
        for (const change of changes) change(judge);
      }
      t.deepEqual(judges[0]?.findings('cart'), judges[1]?.findings('cart'));
    }),
    { numRuns: 60 },
  );
});

test('a shadow over all workloads agrees with the evaluator', (t) => {
  let compared = 0;
  fc.assert(
    fc.property(policyWorld, fc.constantFrom(80, 8080), ({ cluster, policies, cni }, number) => {
      const index = indexCluster(cluster);
      const world = proofWorld(index, [], { ...defaultProfile, cni: cni.name });
      const plain = evaluator(index, compilePolicies(index, policies), world.cni);
      const parties: Endpoint[] = [
        ...index.keys.map((key): Endpoint => ({ kind: 'workload', workload: key })),
        { kind: 'external', address: '203.0.113.9' },
      ];
      for (const [from, to] of parties.flatMap((a) => parties.map((b) => [a, b] as const))) {
        if (from.kind === 'external' && to.kind === 'external') continue;
        const judge = new FlowJudge();
        judge.setWorld(world);
        judge.watch('cart', watched({ ...shadow, workloads: index.keys, policies, baseline: new Set() }));
        const found = findings(judge, flow('web > cart 1', { client: peer(from), server: peer(to), port: number }));
        const { verdict } = plain.decide(partyOf(from), partyOf(to), 'TCP', number);
        const allowed = found.judged === 1 && found.wouldDeny.count === 0;
        // pods of one workload may differ: then each side may be in doubt where both together deny
        t.is(allowed, verdict === 'allowed');
        if (found.wouldDeny.count === 1) t.is(verdict, 'denied');
        compared++;
      }
    }),
    { numRuns: 50 },
  );
  t.true(compared > 100);
});

function partyOf(endpoint: Endpoint): Party {
  if (endpoint.kind === 'workload') return endpoint;
  const ip = endpoint.kind === 'external' ? parseIp(endpoint.address) : undefined;
  if (!ip) throw new Error('no party');
  return { kind: 'address', ip };
}
