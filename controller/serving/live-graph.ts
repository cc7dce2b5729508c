import type { ClusterStudy } from '../loop/cluster-study.ts';
import type { ChangedRows } from '../graph/changed-rows.ts';
import type { TrafficGraph } from '../graph/traffic-graph.ts';
import type { NetworkPolicy } from '../model/network-policy.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import { parseWorkloadKey } from '../model/workload.ts';
import { readPolicyText } from '../loop/policy-text.ts';
import type { Clock, ClusterView } from '../ports.ts';
import { ConnectionJudge } from '../view/connection-judge.ts';
import { ConnectionStates } from '../view/connection-states.ts';
import { grantsOf } from '../view/granted-edges.ts';
import type { ProposalLists } from '../loop/proposal-lists.ts';
import type { GraphChange } from '../view/api-shape.ts';
import { GraphChanges, mostListed } from '../view/graph-change.ts';
import { proposalFacts } from '../view/graph-nodes.ts';
import type { GraphWorld } from '../view/graph-view.ts';
import { judgeTerms } from '../view/judge-terms.ts';

export interface LiveGraphParts {
  readonly graph: TrafficGraph;
  readonly study: () => ClusterStudy;
  readonly view: ClusterView;
  readonly clock: Clock;
  /** What proposals hold back. */
  readonly lists: Pick<ProposalLists, 'heldBack' | 'revision'>;
}

const tickMs = 250;
/** Connections are judged so long in one piece. */
const sliceMs = 8;
const sliceRows = 64;
/** After making a judge, so many times as long as that took passes before the next one. */
const judgePace = 20;

/** The traffic graph as it is now, with the state of each connection, for those who look at it. */
export class LiveGraph {
  readonly #parts: LiveGraphParts;
  readonly #states: ConnectionStates;
  readonly #followed: ChangedRows;
  readonly #texts = new Map<string, { readonly text: string; readonly policies: readonly NetworkPolicy[] }>();
  #judged: Judged;
  #notBeforeMs = 0;
  #addresses = { counted: 0, found: 0 };
  readonly #changed = new Set<number>();
  readonly #changes = new GraphChanges();
  #revision = 0;

  constructor(parts: LiveGraphParts) {
    this.#parts = parts;
    this.#followed = parts.graph.follow();
    this.#judged = this.#judgedNow();
    this.#states = new ConnectionStates(parts.graph, this.#newJudge());
  }

  /** Another text whenever an answer about the graph may be another one. */
  get revision(): string {
    this.world();
    return `${this.#parts.graph.revision}.${this.#states.revision}.${this.#revision}`;
  }

  world(): GraphWorld {
    const { graph, study, view } = this.#parts;
    const { keys, cluster } = study().index;
    const of = [view.proposals(), keys, view.clusterProfile()] as const;
    const addresses = this.#addressesNow();
    const known = this.#world;
    if (known && known.world.facts.addresses === addresses && of.every((part, i) => part === known.of[i])) {
      return known.world;
    }
    const { profile } = view.clusterProfile();
    const workloadsIn = new Map<string, number>([...cluster.namespaces.keys()].map((name) => [name, 0]));
    for (const key of keys) {
      const { namespace } = parseWorkloadKey(key);
      workloadsIn.set(namespace, (workloadsIn.get(namespace) ?? 0) + 1);
    }
    const world: GraphWorld = {
      graph,
      states: this.#states,
      workloads: keys,
      granted: grantsOf(view.proposals()),
      facts: {
        ...proposalFacts(view.proposals()),
        workloadsIn,
        networks: profile.external.networks,
        isExempt: (namespace) => view.profileOf(namespace).profile.exemptNamespaces.includes(namespace),
        dnsNamesOf: (endpoint) => graph.dnsNamesOf(endpoint),
        addresses,
      },
    };
    this.#world = { of, world };
    this.#revision++;
    return world;
  }

  /** Goes on judging, until aborted; a new judge is made when what it decides by has changed. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#parts;
    while (!signal.aborted) {
      this.#renewJudge();
      const endMs = clock.now() + sliceMs;
      let more: readonly number[] | undefined;
      do {
        more = this.#states.judgeMore(sliceRows);
        for (const row of more ?? []) this.#changed.add(row);
      } while (more !== undefined && clock.now() < endMs);
      await clock.sleep(more === undefined ? tickMs : sliceMs * 3, signal).catch(() => undefined);
    }
  }

  /** The connections that changed since this was asked last. */
  takeChanged(): readonly number[] | 'many' {
    const rows = this.#followed.take();
    for (const row of rows) this.#states.seenAgain(row);
    const changed = this.#changed;
    const many = rows.length + changed.size > mostListed;
    const all = many ? ('many' as const) : [...new Set([...rows, ...changed])];
    changed.clear();
    return all;
  }

  /** What became of the edges of those connections, as who may see so much is told it. */
  changeOf(rows: readonly number[] | 'many', maySee: (namespace: string) => boolean): GraphChange | undefined {
    return this.#changes.of(this.world(), rows, maySee);
  }

  #world: { readonly of: readonly unknown[]; readonly world: GraphWorld } | undefined;

  #addressesNow(): number {
    const { graph } = this.#parts;
    const { counted, found } = this.#addresses;
    let sum = found;
    for (let i = counted; i < graph.endpointCount; i++) if (graph.endpointAt(i).kind === 'external') sum++;
    this.#addresses = { counted: graph.endpointCount, found: sum };
    return sum;
  }

  #renewJudge(): void {
    const { clock } = this.#parts;
    if (clock.now() < this.#notBeforeMs) return;
    const now = this.#judgedNow();
    if (isSame(now, this.#judged)) return;
    this.#judged = now;
    const startMs = clock.now();
    this.#states.renew(this.#newJudge());
    this.#notBeforeMs = clock.now() + (clock.now() - startMs) * judgePace;
  }

  #newJudge(): ConnectionJudge {
    const { study, view, lists } = this.#parts;
    const world = study().worldOf(view.clusterProfile().profile);
    const policiesOf = (proposal: PolicyProposal) => this.#policiesOf(proposal);
    const heldBackOf = (proposal: PolicyProposal) => lists.heldBack(proposal);
    const [proposals, stored] = [view.proposals(), view.networkPolicies()];
    return new ConnectionJudge(judgeTerms({ world, proposals, stored, policiesOf, heldBackOf }));
  }

  #policiesOf({ metadata, spec }: PolicyProposal): readonly NetworkPolicy[] {
    const key = `${metadata.namespace}/${metadata.name}`;
    const known = this.#texts.get(key);
    if (known?.text === spec.policies) return known.policies;
    const policies = readPolicyText(spec.policies).policies ?? [];
    this.#texts.set(key, { text: spec.policies, policies });
    return policies;
  }

  #judgedNow(): Judged {
    const { study, view, lists } = this.#parts;
    const proposals = view.proposals();
    const known: Judged | undefined = this.#judged;
    return {
      cluster: study().cluster,
      proposals,
      lists: lists.revision,
      // what a proposal counts, and says of its flows, changes all the time
      marks: known?.proposals === proposals ? known.marks : marksOf(proposals),
    };
  }
}

/** All that the states of connections depend on. */
interface Judged {
  readonly cluster: unknown;
  readonly proposals: readonly PolicyProposal[];
  readonly lists: number;
  readonly marks: string;
}

function isSame(a: Judged, b: Judged): boolean {
  return a.cluster === b.cluster && a.lists === b.lists && a.marks === b.marks;
}

function marksOf(proposals: readonly PolicyProposal[]): string {
  return proposals
    .map(({ metadata, status }) => {
      const held = status?.heldBack.items.map(({ connection }) => connection).join(' ') ?? '';
      const { digest = '', state = 'New', enforced } = status ?? {};
      return `${metadata.namespace}/${metadata.name} ${digest} ${state} ${enforced?.digest ?? ''} ${held}`;
    })
    .join('\n');
}
