import type { Labels } from '../../model/label-selector.ts';
import { type WorkloadKey, type WorkloadRef, workloadKey } from '../../model/workload.ts';
import type { Controller } from './controllers.ts';

/** From a pod's direct owner (or any step of the chain) to the workload at its root. */
export type FindRoot = (from: WorkloadRef, podLabels: Labels) => WorkloadRef;

/** Owner chains are pod, ReplicaSet, Deployment, and one more for an operator; a longer one is a circle. */
const longestChain = 8;

/**
 * Follows owners to the root of the chain: the last one that is known, if only by name. An owner with a selector and a
 * template of its own ends the chain, whatever owns it: an operator's object may own many of those.
 */
export function rootFinder(controllers: ReadonlyMap<WorkloadKey, Controller>): FindRoot {
  const runners = new Map<WorkloadKey, WorkloadRef>();
  for (const { ref, runs } of controllers.values()) if (runs) runners.set(workloadKey(runs), ref);
  return (from, podLabels) => {
    let ref = from;
    for (let step = 0; step < longestChain; step++) {
      const controller = controllers.get(workloadKey(ref));
      const next = controller
        ? (runners.get(workloadKey(ref)) ?? controller.owner)
        : ownerByName(ref, podLabels, controllers);
      if (next === undefined) return ref;
      ref = next;
    }
    return from;
  };
}

/** Who owns an object that we do not hold, where its name and the labels that its controller wrote leave no doubt. */
function ownerByName(
  { namespace, kind, name }: WorkloadRef,
  labels: Labels,
  controllers: ReadonlyMap<WorkloadKey, Controller>,
): WorkloadRef | undefined {
  switch (kind) {
    case 'ReplicaSet':
      for (const [label, ownerKind] of replicaSetOwners) {
        const hash = Object.hasOwn(labels, label) ? labels[label] : undefined;
        const owner = hash ? name.slice(0, -(hash.length + 1)) : '';
        if (owner !== '' && name === `${owner}-${hash}`) return { namespace, kind: ownerKind, name: owner };
      }
      return undefined;
    case 'Job': {
      const owner = { namespace, kind: 'CronJob', name: name.replace(/-\d+$/, '') };
      return controllers.has(workloadKey(owner)) ? owner : undefined;
    }
    default:
      return undefined;
  }
}

const replicaSetOwners = [
  ['rollouts-pod-template-hash', 'Rollout'],
  ['pod-template-hash', 'Deployment'],
] as const;
