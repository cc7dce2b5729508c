import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFlowFile } from '../../../controller/adapters/flow-file/open-flow-file.ts';
import { clusterFromObjects } from '../../../controller/adapters/inventory/cluster-from-objects.ts';
import { FlowAttributor } from '../../../controller/attribution/attribute-flow.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import type { Cluster } from '../../../controller/model/cluster.ts';
import { defaultProfile, type Profile } from '../../../controller/model/profile.ts';
import { conntrackLines } from './conntrack-lines.ts';
import type { Deployed } from './deploy.ts';
import { hubbleLines } from './hubble-lines.ts';
import { type KubernetesObject, kubernetesObjects } from './kubernetes-objects.ts';
import type { ClusterReading } from '../../../controller/ports.ts';
import type { TrafficEvent } from './traffic.ts';
import { worldCidrs } from './world.ts';

export type TrafficForm = 'hubble' | 'conntrack';

/** A world as the product sees it: through dumped objects and a file of flows. */
export interface Observed {
  readonly cluster: Cluster;
  readonly graph: TrafficGraph;
  /** Lines that could not be used and objects that were refused: none, as the worlds are well-formed. */
  readonly complaints: readonly string[];
}

/** The default profile, with the ranges of the worlds named, as a person would name them. */
export const worldProfile: Profile = { ...defaultProfile, clusterCidrs: worldCidrs };

export async function observe(
  deployed: Deployed,
  traffic: readonly TrafficEvent[],
  form: TrafficForm,
  profile: Profile = worldProfile,
): Promise<Observed> {
  const { cluster, problems } = inventoryOf(deployed);
  const graph = new TrafficGraph({ binMs: profile.learning.binMs });
  const attributor = new FlowAttributor(cluster);
  const complaints = problems.map(({ message, where }) => `${where}: ${message}`);
  const lines = traffic
    .flatMap((event, i) => (form === 'hubble' ? hubbleLines(event) : conntrackLines(event, 2 * i + 1)))
    .join('\n');
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-world-'));
  try {
    const path = join(directory, form === 'hubble' ? 'flows.jsonl' : 'conntrack.txt');
    await writeFile(path, `${lines}\n`);
    for await (const { flows, rejected, losses } of openFlowFile(path).batches(AbortSignal.timeout(600_000))) {
      for (const flow of flows) graph.observe(attributor.attribute(flow), flow.node);
      complaints.push(...rejected.map(({ where, reason }) => `${where}: ${reason}`));
      complaints.push(...losses.map(({ kind }) => `loss: ${kind}`));
    }
  } finally {
    await rm(directory, { recursive: true });
  }
  return { cluster, graph, complaints };
}

/** The cluster as the product reads it from a dump of its objects. */
export function inventoryOf(deployed: Deployed): ClusterReading {
  return clusterFromObjects(kubernetesObjects(deployed).map(located));
}

function located(body: KubernetesObject) {
  const { apiVersion, kind, metadata } = body as {
    readonly apiVersion: string;
    readonly kind: string;
    readonly metadata: { readonly namespace?: string; readonly name: string };
  };
  return { apiVersion, kind, namespace: metadata.namespace ?? '', name: metadata.name, body, where: '' };
}

/** The world as an inventory at an earlier time would tell it. */
export function asOf(deployed: Deployed, timeMs: number): Deployed {
  const lives = deployed.lives
    .filter(({ startMs }) => startMs <= timeMs)
    .map((life) =>
      life.endMs !== undefined && life.endMs > timeMs ? { ...life, endMs: undefined, fate: 'running' as const } : life,
    );
  return { ...deployed, lives, endMs: timeMs };
}
