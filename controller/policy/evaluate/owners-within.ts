import type { CidrSet } from '../../model/cidr.ts';
import type { ClusterIndex, OwnedAddress } from './cluster-index.ts';

/** Positions of the workloads with a known pod address in the set; one may come more than once. */
export function* ownersWithin({ podAddresses }: ClusterIndex, { v4, v6 }: CidrSet): Generator<number> {
  for (const [ranges, owned] of [
    [v4, podAddresses[4]],
    [v6, podAddresses[6]],
  ] as const) {
    for (const [from, to] of ranges) {
      for (let i = firstAtLeast(owned, from); i < owned.length; i++) {
        const { value, workload } = owned[i] as OwnedAddress;
        if (value > to) break;
        yield workload;
      }
    }
  }
}

function firstAtLeast(owned: readonly OwnedAddress[], value: bigint): number {
  let low = 0;
  let high = owned.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((owned[middle] as OwnedAddress).value < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
