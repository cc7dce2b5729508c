import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { hasAddress, parseIp } from '../../../controller/model/cidr.ts';
import {
  equalConnections,
  hasConnection,
  intersectConnections,
  isEmptyConnections,
  noConnections,
  subtractConnections,
} from '../../../controller/model/connection-set.ts';
import type { NetworkPolicy } from '../../../controller/model/network-policy.ts';
import { policyProtocols } from '../../../controller/model/protocol.ts';
import { indexCluster } from '../../../controller/policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../../../controller/policy/evaluate/compile-policies.ts';
import type { Side } from '../../../controller/policy/evaluate/connectivity.ts';
import type { Answer } from '../../../controller/policy/evaluate/evaluation.ts';
import { type Evaluator, evaluator } from '../../../controller/policy/evaluate/evaluator.ts';
import type { Party } from '../../../controller/policy/evaluate/views.ts';
import { type PolicyWorld, policyWorld, probeAddresses, probePorts } from '../../support/random-policy-world.ts';
import { referenceVerdict } from '../../support/reference-evaluator.ts';

function evaluatorOf({ cluster, cni }: PolicyWorld, policies: readonly NetworkPolicy[]): Evaluator {
  const index = indexCluster(cluster);
  return evaluator(index, compilePolicies(index, policies), cni);
}

function address(text: string): Party {
  const ip = parseIp(text);
  if (!ip) throw new Error(text);
  return { kind: 'address', ip };
}

function workloads({ cluster }: PolicyWorld): Party[] {
  return [...cluster.workloads.keys()].map((workload) => ({ kind: 'workload', workload }));
}

test('the evaluator decides as the oracle does, pod by pod and port by port', (t) => {
  const others: Party[] = [
    ...probeAddresses.map(address),
    ...['n1', 'n3'].map((name): Party => ({ kind: 'node', name })),
  ];
  t.notThrows(() =>
    fc.assert(
      fc.property(policyWorld, fc.infiniteStream(fc.nat(1_000_000)), (world, stream) => {
        const { cluster, policies, cni } = world;
        const answers = evaluatorOf(world, policies);
        const pick = <T>(list: readonly T[]): T => list[(stream.next().value as number) % list.length] as T;
        const own = workloads(world);
        for (let i = 0; i < 12; i++) {
          const workload = pick(own);
          const other = pick(i % 3 === 0 ? others : own);
          const [source, destination] = pick([
            [workload, other],
            [other, workload],
          ] as const);
          const { allowed, unknown } = answers.between(source, destination);
          for (const protocol of policyProtocols) {
            const port = pick(probePorts);
            const expected = referenceVerdict(cluster, policies, cni, source, destination, protocol, port);
            const actual = hasConnection(allowed, protocol, port)
              ? 'allowed'
              : hasConnection(unknown, protocol, port)
                ? 'unknown'
                : 'denied';
            assert.equal(actual, expected, JSON.stringify([source, destination, protocol, port], bigints));
            const decision = answers.decide(source, destination, protocol, port);
            assert.equal(decision.verdict, expected);
            assert.ok(decision.reasons.length > 0);
          }
        }
      }),
      { numRuns: 1500 },
    ),
  );
});

function bigints(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}` : value;
}

test('connectivity lists exactly the pairs that may talk, in order', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(policyWorld, (world) => {
        const answers = evaluatorOf(world, world.policies);
        const pairs = [...answers.connectivity()];
        const names = pairs.map(({ source, destination }) => `${source.text}\n${destination.text}`);
        assert.deepEqual(names, [...new Set(names)].sort(), 'ascending and without repetition');
        const listed = (source: Party, destination: Party) =>
          pairs.find((pair) => isParty(pair.source, source) && isParty(pair.destination, destination));
        const own = workloads(world);
        // An address of the pod network without an owner is no external address.
        const outside = probeAddresses
          .map(address)
          .filter((party) => party.kind === 'address' && !hasAddress(world.cluster.cidrs.pods, party.ip));
        for (const one of own) {
          for (const [source, destination] of [
            ...own.map((other) => [one, other] as const),
            ...outside.flatMap((other) => [[one, other] as const, [other, one] as const]),
          ]) {
            const expected = answers.between(source, destination);
            const pair: Answer = listed(source, destination) ?? { allowed: noConnections, unknown: noConnections };
            assert.ok(
              equalConnections(pair.allowed, expected.allowed) && equalConnections(pair.unknown, expected.unknown),
            );
          }
        }
      }),
      { numRuns: 1000 },
    ),
  );
});

function isParty(side: Side, party: Party): boolean {
  if (side.kind === 'workload') return party.kind === 'workload' && side.workload === party.workload;
  return party.kind === 'address' && hasAddress(side.addresses, party.ip);
}

test('what the ingress policies admit is what may come in while nothing isolates egress', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(policyWorld, (world) => {
        const policies = world.policies.map(
          (policy): NetworkPolicy => ({ ...policy, spec: { ...policy.spec, policyTypes: ['Ingress'] } }),
        );
        const answers = evaluatorOf(world, policies);
        const { index } = answers.evaluation;
        for (const workload of index.keys) {
          const admissions = answers.admits('ingress', workload);
          for (const [position, other] of index.keys.entries()) {
            // Node exemptions are no policies.
            if (index.onHosts.includes(position)) continue;
            const expected = answers.between({ kind: 'workload', workload: other }, { kind: 'workload', workload });
            if (admissions === 'not-isolated') {
              assert.ok(isEmptyConnections(expected.unknown));
              continue;
            }
            const listed =
              admissions.find(({ peer }) => peer.kind === 'workload' && peer.workload === other) ??
              (index.unaddressed.includes(position)
                ? admissions.find(({ peer }) => peer.kind === 'unaddressed')
                : undefined) ??
              ({ allowed: noConnections, unknown: noConnections } as const);
            const classes = index.classesOf[position] ?? [];
            const mixed = !('peer' in listed && listed.peer.kind === 'workload') && classes.length > 1;
            assert.ok(equalConnections(listed.allowed, expected.allowed) || mixed);
            assert.ok(equalConnections(listed.unknown, expected.unknown) || mixed);
          }
        }
      }),
      { numRuns: 500 },
    ),
  );
});

test('the difference of two policy sets is what is gained, lost or uncertain between them', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(policyWorld, (world) => {
        const before = evaluatorOf(world, world.policies);
        const after = evaluatorOf(world, world.otherPolicies);
        const pairs = [...after.differenceFrom(before)];
        const own = workloads(world);
        for (const source of own) {
          for (const destination of own) {
            const was = before.between(source, destination);
            const is = after.between(source, destination);
            const pair = pairs.find((each) => isParty(each.source, source) && isParty(each.destination, destination));
            const same = equalConnections(was.allowed, is.allowed) && equalConnections(was.unknown, is.unknown);
            assert.equal(pair === undefined, same);
            if (!pair) continue;
            assert.ok(isEmptyConnections(intersectConnections(pair.gained, was.allowed)));
            assert.ok(isEmptyConnections(subtractConnections(pair.gained, is.allowed)));
            assert.ok(isEmptyConnections(subtractConnections(pair.lost, was.allowed)));
            assert.ok(isEmptyConnections(intersectConnections(pair.lost, is.allowed)));
          }
        }
        assert.deepEqual([...before.differenceFrom(before)], []);
      }),
      { numRuns: 500 },
    ),
  );
});
