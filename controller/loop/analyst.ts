import { readYamlDocument, splitYamlDocuments } from '../adapters/workspace/kubernetes-yaml.ts';
import { type ClusterStudy, profileKey } from './cluster-study.ts';
import type { ObservationWindow } from '../graph/graph-delta.ts';
import {
  type Learning,
  prepareLearning,
  type ObservedTraffic,
  type Readiness,
  readinessOf,
} from '../learning/readiness.ts';
import { unusedConnections, withoutConnections } from '../learning/unused-connections.ts';
import type { Connection, ConnectionId } from '../model/connection.ts';
import type { ConnectionSource } from '../model/connection-source.ts';
import type { PolicyDraft } from '../model/policy-draft.ts';
import type { Profile } from '../model/profile.ts';
import type { NoEvidence, Proof, Refused, Synthesised } from '../model/proposal.ts';
import { parseWorkloadKey, type Workload, type WorkloadKey } from '../model/workload.ts';
import { amendableAttempts, attemptsAsEvidence } from '../policy/amendments.ts';
import { cniProfile } from '../policy/cni-profiles.ts';
import type { Dialect, Rendering } from '../policy/dialects/dialect.ts';
import { policyYaml } from '../policy/policy-yaml.ts';
import type { ProofWorld } from '../policy/proof-world.ts';
import { prove } from '../policy/prove.ts';
import { type Habits, habitsIn, type SuspicionJudge, suspicionJudge } from '../policy/suspicion.ts';
import { type Synthesizer, synthesizerOf } from '../policy/synthesize.ts';

/** A policy as it would be applied, with its proof. */
export interface ProvedPolicy {
  readonly draft: PolicyDraft;
  /** Where the dialect says a part of the draft by other means than it was meant. */
  readonly notes: Rendering['notes'];
  readonly yaml: string;
  readonly proof: Proof;
}

export interface AnalysedProposal extends ProvedPolicy {
  readonly kind: 'proposal';
  /** `Invalid` when the proof failed: nothing can approve it. */
  readonly state: 'Ready' | 'Learning' | 'Invalid';
  readonly synthesis: Synthesised;
  readonly readiness: Readiness;
  /** Connections that never passed and that the policy lets pass, because an amendment was wished for. */
  readonly attempts: readonly ConnectionId[];
  /** Connections that were left out because nothing used them for as long as the profile says. */
  readonly unused: readonly ConnectionId[];
}

/** A refusal, with the joint policy that the profile asks for instead, proved like any other. */
export interface AnalysedRefusal {
  readonly kind: 'refusal';
  readonly refusal: Refused;
  readonly joint: ProvedPolicy | undefined;
}

/** A workload of a namespace that gets no proposals. */
export interface ExemptWorkload {
  readonly kind: 'exempt';
  readonly workload: WorkloadKey;
}

export type WorkloadAnalysis = AnalysedProposal | AnalysedRefusal | NoEvidence | ExemptWorkload;

/** What a proposal is wanted for, beyond what was seen. */
export interface ProposalWish {
  /** Denied connections to let pass, as far as nothing is suspicious about them: an amendment. */
  readonly attempts?: ReadonlySet<ConnectionId>;
  /** Leave out what nothing used for the profile's `unusedAfterMs`, where watching had no holes: a shrinking. */
  readonly leaveOutUnused?: boolean;
}

export interface AnalystInput {
  readonly study: ClusterStudy;
  readonly traffic: ObservedTraffic;
  /** The profile in force for a namespace. */
  readonly profileOf: (namespace: string) => Profile;
  readonly dialect: Dialect;
  /** Whether the YAML carries a comment over each rule. */
  readonly comments: boolean;
  readonly nowMs: number;
}

/** What the workloads of namespaces with equal profiles share. */
interface Bench {
  readonly profile: Profile;
  readonly world: ProofWorld;
  readonly synthesise: Synthesizer;
  readonly suspicionOf: SuspicionJudge;
  learning(): Learning;
}

/**
 * One consistent look at a cluster and its traffic: from connections to proved policies, one workload at a time. What
 * workloads share is worked out when it is first asked for, and kept; make a new one with the same study when the traffic
 * has moved on, and with a new study when the cluster has.
 */
export class Analyst {
  readonly study: ClusterStudy;
  readonly #input: AnalystInput;
  readonly #traffic: ObservedTraffic;
  readonly #benches = new Map<string, Bench>();
  readonly #joint = new Map<string, ProvedPolicy>();
  #habits: Habits | undefined;

  constructor(input: AnalystInput) {
    this.study = input.study;
    this.#input = input;
    this.#traffic = remembering(input.traffic);
  }

  /** The same look at traffic that has moved on. */
  renewed(traffic: ObservedTraffic, nowMs: number): Analyst {
    return new Analyst({ ...this.#input, traffic, nowMs });
  }

  get window(): ObservationWindow {
    return this.#traffic.observation();
  }

  /** The workloads that proposals are made for, ascending. */
  subjects(): WorkloadKey[] {
    return [...this.study.cluster.workloads.keys()].filter((key) => !this.#isExempt(key)).sort();
  }

  of(workload: WorkloadKey, wish: ProposalWish = {}): WorkloadAnalysis {
    if (this.#isExempt(workload)) return { kind: 'exempt', workload };
    const bench = this.#benchOf(workload);
    const offered = wish.attempts ? attemptsAsEvidence(this.#traffic, wish.attempts) : this.#traffic;
    const unused = wish.leaveOutUnused ? this.#unusedOf(workload, bench) : [];
    const unusedIds = new Set(unused.map(({ id }) => id));
    const result = bench.synthesise(workload, unused.length === 0 ? offered : withoutConnections(offered, unusedIds));
    switch (result.kind) {
      case 'synthesised': {
        // proved against all that was seen: what is left out as unused will be denied, and is said to be
        const proved = this.#proved(result.draft, offered, bench.world);
        const heldBack = new Set(result.heldBack.map(({ connection }) => connection.id));
        const readiness = this.readiness(workload, heldBack);
        const state = proved.proof.valid ? (readiness.state === 'ready' ? 'Ready' : 'Learning') : 'Invalid';
        const cited = new Set([...result.draft.ingress, ...result.draft.egress].flatMap(({ evidence }) => evidence));
        const attempts = offered
          .connectionsOf(workload)
          .filter(({ id, attempted }) => attempted && cited.has(id))
          .map(({ id }) => id);
        return { kind: 'proposal', ...proved, state, synthesis: result, readiness, attempts, unused: [...unusedIds] };
      }
      case 'refused': {
        const { joint } = result;
        const wanted = joint !== undefined && bench.profile.jointPolicies;
        return { kind: 'refusal', refusal: result, joint: wanted ? this.#jointPolicy(joint, bench.world) : undefined };
      }
      case 'no-evidence':
        return result;
    }
  }

  /** Whether enough was seen of a workload; held-back connections do not count. */
  readiness(workload: WorkloadKey, heldBack: ReadonlySet<ConnectionId> = new Set()): Readiness {
    const known = this.study.cluster.workloads.get(workload);
    if (!known) throw new RangeError(`no workload ${workload} in this cluster`);
    return readinessOf(known, this.#benchOf(workload).learning(), heldBack);
  }

  /** Connections that never passed and that an amendment of the workload's policy may let pass; see `ProposalWish`. */
  attempts(workload: WorkloadKey, sinceMs: number): readonly Connection[] {
    return amendableAttempts(workload, this.#traffic, this.#benchOf(workload).suspicionOf, sinceMs);
  }

  /** All connections from and to these workloads, each once, with the attempts of a wish among them. */
  connectionsOf(workloads: readonly WorkloadKey[], { attempts }: ProposalWish = {}): readonly Connection[] {
    return connectionsOf(workloads, attempts ? attemptsAsEvidence(this.#traffic, attempts) : this.#traffic);
  }

  /** What proofs of policies of that namespace are made in. */
  worldOf(namespace: string): ProofWorld {
    return this.study.worldOf(this.#input.profileOf(namespace));
  }

  #isExempt(workload: WorkloadKey): boolean {
    const { namespace } = parseWorkloadKey(workload);
    return this.#input.profileOf(namespace).exemptNamespaces.includes(namespace);
  }

  #unusedOf(workload: WorkloadKey, bench: Bench): readonly Connection[] {
    const known: Workload | undefined = this.study.cluster.workloads.get(workload);
    const { unusedAfterMs } = bench.profile;
    if (!known || unusedAfterMs === undefined) return [];
    const { nowMs } = this.#input;
    return unusedConnections(known, bench.learning(), nowMs - unusedAfterMs, nowMs);
  }

  #benchOf(workload: WorkloadKey): Bench {
    const profile = this.#input.profileOf(parseWorkloadKey(workload).namespace);
    const key = profileKey(profile);
    let bench = this.#benches.get(key);
    if (!bench) this.#benches.set(key, (bench = this.#bench(profile)));
    return bench;
  }

  #bench(profile: Profile): Bench {
    const { naming, cluster } = this.study;
    const connections = this.#traffic;
    this.#habits ??= habitsIn(connections);
    const suspicionOf = suspicionJudge(cluster, this.#habits, profile);
    const cni = cniProfile(profile.cni, cluster);
    let learning: Learning | undefined;
    return {
      profile,
      world: this.study.worldOf(profile),
      synthesise: synthesizerOf({ naming, connections, profile, cni, suspicionOf }),
      suspicionOf,
      learning: () => (learning ??= prepareLearning(connections, cluster, profile)),
    };
  }

  /** All members of a joint policy are refused with it; it is proved once. */
  #jointPolicy(draft: PolicyDraft, world: ProofWorld): ProvedPolicy {
    const name = `${draft.namespace}/${draft.name}`;
    let proved = this.#joint.get(name);
    if (!proved) this.#joint.set(name, (proved = this.#proved(draft, this.#traffic, world)));
    return proved;
  }

  /** Renders a draft, reads its text back as a stranger would, and proves what was read. */
  #proved(draft: PolicyDraft, traffic: ConnectionSource, world: ProofWorld): ProvedPolicy {
    const { dialect, comments } = this.#input;
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
}

/**
 * The same traffic as it is at this moment: how it was observed, and the latest list of connections, which synthesis, proof
 * and readiness each ask for.
 */
function remembering(traffic: ObservedTraffic): ObservedTraffic {
  let last: { readonly workload: WorkloadKey; readonly connections: readonly Connection[] } | undefined;
  let observation: ObservationWindow | undefined;
  return {
    connections: () => traffic.connections(),
    connectionsOf(workload) {
      if (last?.workload !== workload) last = { workload, connections: traffic.connectionsOf(workload) };
      return last.connections;
    },
    dnsNamesOf: (endpoint) => traffic.dnsNamesOf(endpoint),
    observation: () => (observation ??= traffic.observation()),
  };
}

function connectionsOf(workloads: readonly WorkloadKey[], traffic: ConnectionSource): readonly Connection[] {
  if (workloads.length === 1) return traffic.connectionsOf(workloads[0] as WorkloadKey);
  const all = workloads.flatMap((workload) => traffic.connectionsOf(workload));
  return [...new Map(all.map((connection) => [connection.id, connection])).values()];
}
