import { readYamlDocument, splitYamlDocuments } from './adapters/workspace/kubernetes-yaml.ts';
import type { ObservationWindow } from './graph/graph-delta.ts';
import { prepareLearning, type ObservedTraffic, type Readiness, readinessOf } from './learning/readiness.ts';
import type { Cluster } from './model/cluster.ts';
import type { Connection, ConnectionId } from './model/connection.ts';
import type { ConnectionSource } from './model/connection-source.ts';
import type { PolicyDraft } from './model/policy-draft.ts';
import type { Profile } from './model/profile.ts';
import type { NoEvidence, Proof, Refused, Synthesised, SynthesisResult } from './model/proposal.ts';
import type { Workload, WorkloadKey } from './model/workload.ts';
import { cniProfile } from './policy/cni-profiles.ts';
import type { Dialect, Rendering } from './policy/dialects/dialect.ts';
import { indexCluster } from './policy/evaluate/cluster-index.ts';
import { policyYaml } from './policy/policy-yaml.ts';
import { proofWorld, type ProofWorld } from './policy/proof-world.ts';
import { prove } from './policy/prove.ts';
import { subjectsOf, synthesizer } from './policy/synthesize.ts';

export interface AnalysisInput {
  readonly cluster: Cluster;
  readonly traffic: ObservedTraffic;
  readonly profile: Profile;
  readonly dialect: Dialect;
  /** Whether the YAML carries a comment over each rule. */
  readonly comments: boolean;
  /** Only workloads of these namespaces, even exempt ones; empty: all that are not exempt. */
  readonly namespaces: readonly string[];
  /** Called after each workload. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A policy as it would be applied, with its proof. */
export interface ProvedPolicy {
  readonly draft: PolicyDraft;
  /** Where the dialect says a part of the draft by other means than it was meant. */
  readonly notes: Rendering['notes'];
  readonly yaml: string;
  readonly proof: Proof;
}

export interface AnalysedProposal extends ProvedPolicy {
  /** `Invalid` when the proof failed: nothing can approve it. */
  readonly state: 'Ready' | 'Learning' | 'Invalid';
  readonly synthesis: Synthesised;
  readonly readiness: Readiness;
}

/** A refusal, with the joint policy that the profile asks for instead, proved like any other. */
export interface AnalysedRefusal {
  readonly refusal: Refused;
  readonly joint: ProvedPolicy | undefined;
}

export interface Analysis {
  readonly window: ObservationWindow;
  /** Ascending by workload, like the lists after it. */
  readonly proposals: readonly AnalysedProposal[];
  readonly refusals: readonly AnalysedRefusal[];
  readonly withoutEvidence: readonly NoEvidence[];
  /** Workloads of exempt namespaces, which get no proposals. */
  readonly exempt: readonly WorkloadKey[];
}

/** From the traffic graph to proved policies, one workload at a time; the same input gives the same bytes. */
export function analyse(input: AnalysisInput): Analysis {
  const { cluster, profile, namespaces, onProgress } = input;
  const traffic = rememberingLast(input.traffic);
  const synthesise = synthesizer({ cluster, connections: traffic, profile, cni: cniProfile(profile.cni) });
  const learning = prepareLearning(traffic, cluster, profile);
  const world = proofWorld(indexCluster(cluster), cluster.policies, profile);
  const subjects = chosenSubjects(cluster, profile, namespaces);

  const proposals: AnalysedProposal[] = [];
  const refusals: AnalysedRefusal[] = [];
  const withoutEvidence: NoEvidence[] = [];
  const jointNames = new Set<string>();
  for (const [done, key] of subjects.entries()) {
    const result: SynthesisResult = synthesise(key);
    switch (result.kind) {
      case 'synthesised': {
        const proved = provedPolicy(result.draft, input, traffic, world);
        const readiness = readinessOf(cluster.workloads.get(key) as Workload, learning, heldBackIds(result));
        const state = proved.proof.valid ? (readiness.state === 'ready' ? 'Ready' : 'Learning') : 'Invalid';
        proposals.push({ ...proved, state, synthesis: result, readiness });
        break;
      }
      case 'refused': {
        const { joint } = result;
        const wanted =
          joint !== undefined && profile.jointPolicies && !jointNames.has(`${joint.namespace}/${joint.name}`);
        if (wanted) jointNames.add(`${joint.namespace}/${joint.name}`);
        refusals.push({ refusal: result, joint: wanted ? provedPolicy(joint, input, traffic, world) : undefined });
        break;
      }
      case 'no-evidence':
        withoutEvidence.push(result);
        break;
    }
    onProgress?.(done + 1, subjects.length);
  }
  const chosen = new Set(subjects);
  const exempt = [...cluster.workloads.values()]
    .filter(({ namespace, key }) => profile.exemptNamespaces.includes(namespace) && !chosen.has(key))
    .map(({ key }) => key)
    .sort();
  return { window: learning.window, proposals, refusals, withoutEvidence, exempt };
}

function chosenSubjects(cluster: Cluster, profile: Profile, namespaces: readonly string[]): WorkloadKey[] {
  if (namespaces.length === 0) return subjectsOf(cluster, profile);
  return subjectsOf(cluster, { ...profile, exemptNamespaces: [] }).filter((key) =>
    namespaces.includes(cluster.workloads.get(key)?.namespace ?? ''),
  );
}

/** The same traffic, whose latest list of connections is kept: synthesis, proof and readiness each ask for one workload's. */
function rememberingLast(traffic: ObservedTraffic): ObservedTraffic {
  let last: { readonly workload: WorkloadKey; readonly connections: readonly Connection[] } | undefined;
  return {
    connections: () => traffic.connections(),
    connectionsOf(workload) {
      if (last?.workload !== workload) last = { workload, connections: traffic.connectionsOf(workload) };
      return last.connections;
    },
    dnsNamesOf: (endpoint) => traffic.dnsNamesOf(endpoint),
    observation: () => traffic.observation(),
  };
}

/** Renders a draft, reads its text back as a stranger would, and proves what was read. */
function provedPolicy(
  draft: PolicyDraft,
  { dialect, comments }: AnalysisInput,
  traffic: ConnectionSource,
  world: ProofWorld,
): ProvedPolicy {
  const connections = connectionsOf(draft.workloads, traffic);
  const byId = new Map(connections.map((connection) => [connection.id, connection]));
  const rendering = dialect.render(draft, world.cni);
  const yaml = policyYaml(rendering, comments ? (id) => byId.get(id) : undefined);
  const documents = splitYamlDocuments(yaml).map(({ text }) => {
    const reading = readYamlDocument(text);
    // text that cannot be read back is no value at all, which the proof reports
    return reading.kind === 'read' ? reading.value : undefined;
  });
  const proof = prove({ rendering, readBack: dialect.readBack(documents, rendering), connections }, world);
  return { draft, notes: rendering.notes, yaml, proof };
}

function heldBackIds({ heldBack }: Synthesised): ReadonlySet<ConnectionId> {
  return new Set(heldBack.map(({ connection }) => connection.id));
}

function connectionsOf(workloads: readonly WorkloadKey[], traffic: ConnectionSource): readonly Connection[] {
  if (workloads.length === 1) return traffic.connectionsOf(workloads[0] as WorkloadKey);
  const all = workloads.flatMap((workload) => traffic.connectionsOf(workload));
  return [...new Map(all.map((connection) => [connection.id, connection])).values()];
}
