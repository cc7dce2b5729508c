import test from 'ava';
import fc from 'fast-check';
import { FlowAttributor } from '../../controller/attribution/attribute-flow.ts';
import { type Endpoint, endpointId, type UnknownReason } from '../../controller/model/endpoint.ts';
import { flowValues } from '../support/worlds/flow-values.ts';
import { sightingOf } from '../support/worlds/in-memory.ts';
import { inventoryOf } from '../support/worlds/observe.ts';
import type { Site, TrafficEvent } from '../support/worlds/traffic.ts';
import { type World, worldArbitrary } from '../support/worlds/world.ts';

const runs = { numRuns: 1000, includeErrorInReport: true };

function holds(
  t: { pass: () => void },
  named: boolean,
  fault: (seen: Endpoint, truth: Endpoint, site: Site) => boolean,
) {
  fc.assert(
    fc.property(worldArbitrary, (world) => {
      const found = faults(world, named, fault);
      if (found.length > 0) throw new Error(found.slice(0, 5).join('\n'));
    }),
    runs,
  );
  t.pass();
}

/** Sides of flows that were attributed wrongly, in words. */
function faults(
  { deployed, traffic }: World,
  named: boolean,
  fault: (seen: Endpoint, truth: Endpoint, site: Site) => boolean,
): string[] {
  const attributor = new FlowAttributor(inventoryOf(deployed).cluster);
  return traffic.flatMap((event) => {
    const truth = sightingOf(event);
    return flowValues(event, named).flatMap((flow) => {
      const seen = attributor.attribute(flow);
      return (['client', 'server'] as const)
        .filter((side) => fault(seen[side].endpoint, truth[side].endpoint, event[side]))
        .map((side) => said(event, seen[side].endpoint, truth[side].endpoint));
    });
  });
}

function said({ timeMs }: TrafficEvent, seen: Endpoint, truth: Endpoint): string {
  return `${new Date(timeMs).toISOString()}: ${endpointId(truth)} was taken for ${endpointId(seen)}`;
}

function inInventory(site: Site): boolean {
  return site.kind !== 'pod' || site.life.fate !== 'deleted';
}

/** Whether the labels of a pod that is gone should have told its workload. */
function labelled(site: Site, reason: UnknownReason): boolean {
  return site.kind === 'pod' && Object.keys(site.life.workload.templateLabels).length > 0 && reason !== 'ambiguous';
}

test('by address alone, a side of a flow is its true owner, or unknown where that owner is in no inventory', (t) => {
  holds(t, false, (seen, truth, site) => {
    if (!inInventory(site) && seen.kind === 'unknown') return false;
    return endpointId(seen) !== endpointId(truth);
  });
});

test('by name, also pods that are long gone are their workload, unless no label tells it', (t) => {
  holds(t, true, (seen, truth, site) => {
    if (!inInventory(site) && seen.kind === 'unknown' && !labelled(site, seen.reason)) return false;
    // a source that says "some node" and no more is right too
    if (truth.kind === 'node' && seen.kind === 'node') return seen.name !== '' && seen.name !== truth.name;
    return endpointId(seen) !== endpointId(truth);
  });
});
