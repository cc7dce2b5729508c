import fc from 'fast-check';
import { type CidrSet, cidrSetOf } from '../../../controller/model/cidr.ts';
import { type Deployed, deploy } from './deploy.ts';
import { drawPlan, type WorldSize } from './draw-plan.ts';
import type { WorldPlan, WorldTraits } from './plan.ts';
import { randomOf } from './random.ts';
import { drawTraffic, type TrafficEvent } from './traffic.ts';

/** A cluster with everything that is true of it, and all its traffic; `kubernetesObjects` tells it as an inventory. */
export interface World {
  readonly seed: number;
  readonly plan: WorldPlan;
  readonly deployed: Deployed;
  readonly traffic: readonly TrafficEvent[];
}

/** Monday, 2 March 2026, 00:00 UTC: every window starts here. */
export const windowStartMs = Date.UTC(2026, 2, 2);

/** The ranges that every world uses, for a profile to name. */
export const worldCidrs: { readonly pods: CidrSet; readonly services: CidrSet; readonly nodes: CidrSet } = {
  pods: cidrSetOf('10.244.0.0/16', 'fd00:10:244::/48'),
  services: cidrSetOf('10.96.0.0/16'),
  nodes: cidrSetOf('172.18.0.0/24', 'fd00:172::/64'),
};

/** A world of its seed alone; every trait is drawn from it but those that the caller fixes. */
export function generateWorld(seed: number, size: WorldSize, fixed: Partial<WorldTraits> = {}): World {
  const random = randomOf(seed);
  const traits = { ...drawTraits(seed), ...fixed };
  const plan = drawPlan(random.fork('plan'), size, traits);
  const deployed = deploy(plan, { seed, startMs: windowStartMs, endMs: endOf(size.days), scale: 1 });
  return worldOf(seed, deployed);
}

/** The same plan after every workload was rolled out anew, with other pods, names, addresses and more replicas. */
export function rollOut({ seed, plan, deployed }: World, scale = 1.5): World {
  const startMs = deployed.endMs;
  const endMs = startMs + (deployed.endMs - deployed.startMs);
  const steady = { ...plan, traits: { ...plan.traits, redeploys: false } };
  const next = deploy(steady, { seed: (seed ^ (startMs / 3_600_000)) + 1, startMs, endMs, scale });
  return worldOf(seed, next);
}

function worldOf(seed: number, deployed: Deployed): World {
  return { seed, plan: deployed.plan, deployed, traffic: drawTraffic(deployed, seed) };
}

function endOf(days: number): number {
  return windowStartMs + days * 86_400_000;
}

function drawTraits(seed: number): WorldTraits {
  const random = randomOf(seed).fork('traits');
  return {
    dualStack: random.chance(0.3),
    oldNamespaces: random.chance(0.1),
    indistinguishable: false,
    unlabelled: false,
    customOwner: false,
    redeploys: random.chance(0.6),
    attacks: random.chance(0.6),
  };
}

/** Small worlds of 3 to 8 drawn workloads in 1 to 3 namespaces, for properties; shrinks to fewer workloads and traits. */
export const worldArbitrary: fc.Arbitrary<World> = fc
  .record({
    seed: fc.integer({ min: 0, max: 0x7fffffff }),
    workloads: fc.integer({ min: 3, max: 8 }),
    namespaces: fc.integer({ min: 1, max: 3 }),
    traits: fc.record({
      dualStack: fc.boolean(),
      oldNamespaces: fc.boolean(),
      indistinguishable: fc.boolean(),
      unlabelled: fc.boolean(),
      customOwner: fc.boolean(),
      redeploys: fc.boolean(),
      attacks: fc.boolean(),
    }),
  })
  .map(({ seed, workloads, namespaces, traits }) => {
    const size = { workloads, namespaces, days: 1, workers: 3, perDay: 4 };
    const world = generateWorld(seed, size, traits);
    const said = `generateWorld(${seed}, ${JSON.stringify(size)}, ${JSON.stringify(traits)})`;
    return Object.assign(world, { [fc.toStringMethod]: () => said });
  });
