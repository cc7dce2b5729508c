import type { Cluster } from '../../controller/model/cluster.ts';
import type { Flow } from '../../controller/model/flow.ts';
import { buildCluster } from './build-cluster.ts';
import { flow } from './flows.ts';
import { mondayMs } from './sightings.ts';

const workloads = 40;
const pods = 5;

const address = (pod: number) => `10.244.${pod >> 8}.${(pod & 255) + 1}`;

/** Who numbered flows are between. */
export function numberedCluster(): Cluster {
  return buildCluster(
    Array.from({ length: workloads }, (_, i) => ({
      name: `service-${i}`,
      labels: { app: `service-${i}` },
      pods: Array.from({ length: pods }, (_pod, j) => ({ name: `service-${i}-${j}`, ips: [address(i * pods + j)] })),
    })),
  );
}

/** The flow of a number: nothing in it tells a second one of the same number from the first, so that each counts. */
export function numberedFlow(n: number): Flow {
  const server = n % (workloads * pods);
  return flow({
    client: address((server * 7 + (n % 11) * 5 + 1) % (workloads * pods)),
    server: address(server),
    clientPort: 0,
    port: 8_000 + (n % 13),
    timeMs: mondayMs + (n % 5_000) * 1_000,
    connections: 1 + (n % 3),
    node: `n${n % 5}`,
  });
}
