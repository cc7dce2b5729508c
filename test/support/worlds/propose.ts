import { load } from 'js-yaml';
import type { Cluster } from '../../../controller/model/cluster.ts';
import type { ConnectionSource } from '../../../controller/model/connection-source.ts';
import type { NetworkPolicy } from '../../../controller/model/network-policy.ts';
import { defaultProfile, type Profile } from '../../../controller/model/profile.ts';
import type { Synthesised, SynthesisResult } from '../../../controller/model/proposal.ts';
import type { Sighting } from '../../../controller/model/sighting.ts';
import { TrafficGraph } from '../../../controller/graph/traffic-graph.ts';
import { cniProfile } from '../../../controller/policy/cni-profiles.ts';
import { kubernetesDialect } from '../../../controller/policy/dialects/kubernetes.ts';
import { renderYamlDocuments } from '../../../controller/policy/render-yaml.ts';
import { synthesize } from '../../../controller/policy/synthesize.ts';

export interface Proposed {
  readonly results: readonly SynthesisResult[];
  readonly drafted: readonly Synthesised[];
  /** As a user's files would hold them, by workload. */
  readonly yaml: ReadonlyMap<string, string>;
  /** Read back from that text. */
  readonly policies: readonly NetworkPolicy[];
}

/** From sightings to policies as a user's files would hold them, without files and without a proof. */
export function propose(cluster: Cluster, sightings: readonly Sighting[]): Proposed {
  const graph = new TrafficGraph({ binMs: defaultProfile.learning.binMs });
  for (const sighting of sightings) graph.observe(sighting);
  return proposeFrom(cluster, graph, defaultProfile);
}

export function proposeFrom(cluster: Cluster, connections: ConnectionSource, profile: Profile): Proposed {
  const cni = cniProfile(profile.cni);
  const results = synthesize({ cluster, connections, profile, cni });
  const drafted = results.filter((result) => result.kind === 'synthesised');
  const yaml = new Map(
    drafted.map(({ workload, draft }) => [workload, renderYamlDocuments(kubernetesDialect.render(draft, cni).objects)]),
  );
  return { results, drafted, yaml, policies: [...yaml.values()].map((text) => load(text) as NetworkPolicy) };
}
