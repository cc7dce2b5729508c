import test from 'ava';
import fc from 'fast-check';
import { load } from 'js-yaml';
import { TrafficGraph } from '../../controller/graph/traffic-graph.ts';
import { defaultProfile, type Profile } from '../../controller/model/profile.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { dialect } from '../../controller/policy/dialects/dialects.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { policyYaml } from '../../controller/policy/policy-yaml.ts';
import { proofWorld } from '../../controller/policy/proof-world.ts';
import { prove } from '../../controller/policy/prove.ts';
import { synthesize } from '../../controller/policy/synthesize.ts';
import { clusterOf, sightingOf } from '../support/worlds/in-memory.ts';
import { observe, worldProfile } from '../support/worlds/observe.ts';
import { proposeFrom } from '../support/worlds/propose.ts';
import { generateWorld, type World, worldArbitrary } from '../support/worlds/world.ts';

function proofsOf(world: World, name: 'kubernetes' | 'cilium', cni: Profile['cni']) {
  const profile: Profile = { ...defaultProfile, cni };
  const cluster = clusterOf(world.deployed);
  const graph = new TrafficGraph({ binMs: profile.learning.binMs });
  for (const event of world.traffic) graph.observe(sightingOf(event));
  const shared = proofWorld(indexCluster(cluster), cluster.policies, profile);
  return synthesize({ cluster, connections: graph, profile, cni: cniProfile(cni) }).flatMap((result) => {
    if (result.kind !== 'synthesised') return [];
    const rendering = dialect(name).render(result.draft, cniProfile(cni));
    const readBack = dialect(name).readBack([load(policyYaml(rendering, undefined))], rendering);
    const connections = graph.connectionsOf(result.workload);
    return [{ result, proof: prove({ rendering, readBack, connections }, shared) }];
  });
}

for (const [name, cni] of [
  ['kubernetes', 'generic'],
  ['kubernetes', 'calico'],
  ['cilium', 'cilium'],
] as const) {
  test(`whatever the world, what is synthesised is proved (${name} on ${cni})`, (t) => {
    fc.assert(
      fc.property(worldArbitrary, (world) => {
        for (const { result, proof } of proofsOf(world, name, cni)) {
          t.deepEqual(
            proof.checks.filter(({ passed }) => !passed),
            [],
            result.workload,
          );
          t.true(proof.reachableAfter <= proof.reachableBefore);
          t.true(proof.overGrants.every(({ allowance }) => allowance !== undefined));
        }
      }),
      { numRuns: 40 },
    );
  });
}

test('probes of pods that a rollout replaced are probes, and open nothing to the nodes', async (t) => {
  const size = { workloads: 3, namespaces: 1, days: 1, workers: 3, perDay: 4 };
  const { deployed, traffic } = generateWorld(701214327, size, {
    dualStack: false,
    oldNamespaces: false,
    indistinguishable: false,
    unlabelled: false,
    customOwner: false,
    redeploys: true,
    attacks: false,
  });
  const { cluster, graph } = await observe(deployed, traffic, 'hubble');
  const { drafted } = proposeFrom(cluster, graph, worldProfile);
  const rules = drafted.flatMap(({ draft }) => [...draft.ingress, ...draft.egress]);
  t.false(rules.some(({ because }) => because === 'node-traffic'));
});
