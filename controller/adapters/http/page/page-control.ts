import type { GraphChange, SearchHit, ServerEvents } from '../../../view/api-shape.ts';
import type {
  DecisionAnswer,
  DecisionInput,
  ProposalDetail,
  ProposalEffect,
  ProposalSummary,
} from '../../../view/proposal-shape.ts';
import { type ApiClient, ApiFailure, type GraphFilter, type GraphScope } from './client/api-client.ts';
import { followUpdates } from './client/live-updates.ts';
import { displayedGraph } from './drawing/displayed-graph.ts';
import { type Group, type GroupKey, groupOfNode } from './drawing/groups.ts';
import { isFiltered, type OverlayMode, type PageState, proposalKey, type Selection } from './page-state.ts';
import { ToldGraph } from './told-graph.ts';

/** What was found, and what happens when it is chosen. */
export interface SearchResult {
  readonly key: string;
  readonly label: string;
  readonly detail: string;
  readonly pick: () => void;
}

/** Clusters of at most so many workloads are asked for as a whole; larger ones namespace by namespace. */
const wholeUpTo = 400;
/** Groups of at most so many nodes altogether are open from the start. */
const openUpTo = 70;
/** Beside the namespaces, groups of at most so many are open from the start. */
const apartUpTo = 12;
/** Changes are drawn at most so often. */
const drawEveryMs = 700;

/** What can be done on the page, and what the server's events do to it. */
export class PageControl {
  readonly #api: ApiClient;
  readonly #state: PageState;
  readonly told = new ToldGraph();
  /** What a person opened (true) or closed (false) by hand. */
  readonly #byHand = new Map<GroupKey, boolean>();
  #isWhole = true;
  #opensByItself = true;
  #graphRequest = new AbortController();
  #detailRequest = new AbortController();
  #following = new AbortController();
  #pending: { reload: boolean } | undefined;

  constructor(api: ApiClient, state: PageState) {
    this.#api = api;
    this.#state = state;
  }

  async start(): Promise<void> {
    this.#following.abort();
    this.#following = new AbortController();
    const { signal } = this.#following;
    try {
      const session = await this.#api.session();
      this.#state.set({ session, signIn: undefined });
      const workloads = session.namespaces.reduce((sum, namespace) => sum + namespace.workloads, 0);
      this.#isWhole = workloads <= wholeUpTo;
      this.#opensByItself = workloads <= openUpTo;
    } catch (error) {
      if (this.#signInFor(error)) return;
      this.#state.set({ graphState: failureOf(error), proposalsState: failureOf(error) });
      setTimeout(() => void (signal.aborted || this.start()), 3000);
      this.#state.set({ live: { kind: 'disconnected', since: Date.now(), message: failureOf(error).message } });
      return;
    }
    const { selection } = this.#state.now;
    if (selection?.kind === 'proposal') void this.#loadDetail(selection);
    await Promise.all([this.#loadGraph(), this.#loadProposals()]);
    if (signal.aborted) return;
    await followUpdates(this.#api, this.#listeners(), signal);
  }

  signIn(token: string): void {
    this.#api.useToken(token === '' ? undefined : token);
    this.#state.set({ signIn: undefined, graphState: 'loading', proposalsState: 'loading' });
    void this.start();
  }

  retry(): void {
    this.#state.set({ graphState: 'loading', proposalsState: 'loading' });
    void this.start();
  }

  /** Who is told apart in what the server tells. */
  get scope(): GraphScope {
    if (this.#isWhole) return { level: 'workload', expand: [] };
    const expand = [...this.#byHand].flatMap(([group, isOpen]) =>
      isOpen && group.startsWith('namespace:') ? [group.slice('namespace:'.length)] : [],
    );
    return { level: 'namespace', expand };
  }

  /** Only what the workloads take part in that have the text in their names. */
  async filterWorkload(text: string): Promise<void> {
    const found = text === '' ? [] : await this.#find(text);
    const names = found.flatMap(({ key, kind }) => (kind === 'workload' ? [key.slice('workload:'.length)] : []));
    const exact = names.filter((name) => name === text);
    // a name that nobody has leaves nothing, and not everything
    this.filter({
      workload: text,
      workloads: exact.length > 0 ? exact : text === '' || names.length > 0 ? names : [text],
    });
  }

  filter(change: Partial<GraphFilter>): void {
    this.#state.set({ filter: { ...this.#state.now.filter, ...change } });
    void this.#loadGraph();
  }

  select(selection: Selection | undefined): void {
    this.#state.set({ selection });
    this.#detailRequest.abort();
    if (selection?.kind !== 'proposal') {
      this.#state.set({ detail: undefined, overlay: 'off' });
      return;
    }
    this.#state.set({ detail: undefined });
    // before anybody is let in, there is nothing to be told; it is asked for then
    if (this.#state.now.session !== undefined) void this.#loadDetail(selection);
  }

  overlay(overlay: OverlayMode): void {
    this.#state.set({ overlay });
  }

  isOpen(group: GroupKey): boolean {
    return this.#state.now.displayed?.open.has(group) ?? false;
  }

  async open(groups: readonly GroupKey[], isOpen: boolean): Promise<void> {
    for (const group of groups) this.#byHand.set(group, isOpen);
    if (this.#isWhole) this.#draw();
    else await this.#loadGraph();
  }

  async openAll(isOpen: boolean): Promise<void> {
    await this.open([...(this.#state.now.displayed?.groups.keys() ?? [])], isOpen);
  }

  async decide(
    proposal: Pick<ProposalSummary, 'namespace' | 'name'>,
    decision: 'approve' | 'reject',
    input: DecisionInput,
  ): Promise<DecisionAnswer> {
    const answer = await this.#api.decide(proposal, decision, input);
    this.#refreshDetail(proposal);
    return answer;
  }

  /** Nodes and proposals with the text in their names, those that begin with it first. */
  async search(text: string, most: number): Promise<readonly SearchResult[]> {
    const found = await this.#find(text);
    return found.slice(0, most).map(({ key, label, kind, namespace }) => ({
      key,
      label,
      detail: namespace === '' || kind === 'namespace' ? kind : `${kind} in ${namespace}`,
      pick: () => void this.goTo(key, kind === 'namespace', namespace),
    }));
  }

  /** Selects a node, after opening the group that it is in. */
  async goTo(key: string, isNamespace: boolean, namespace: string): Promise<void> {
    const group = isNamespace ? key : this.#groupOfKey(key, namespace);
    if (!isNamespace && group !== undefined && !this.isOpen(group)) await this.open([group], true);
    this.select(isNamespace ? { kind: 'group', key } : { kind: 'node', key });
  }

  async #find(text: string): Promise<readonly SearchHit[]> {
    try {
      return await this.#api.find(text);
    } catch (error) {
      this.#signInFor(error);
      return [];
    }
  }

  #groupOfKey(key: string, namespace: string): GroupKey | undefined {
    const node = this.told.node(key);
    if (node !== undefined) return groupOfNode(node);
    return namespace === '' ? undefined : `namespace:${namespace}`;
  }

  readNews(): void {
    this.#state.set({ news: [] });
  }

  async #loadGraph(): Promise<void> {
    this.#graphRequest.abort();
    this.#graphRequest = new AbortController();
    const { signal } = this.#graphRequest;
    const { filter } = this.#state.now;
    try {
      const view = await this.#api.graph(filter, this.scope, signal);
      if (signal.aborted) return;
      this.told.replace(view);
      this.#draw();
      this.#state.set({ graphState: 'loaded', graphFacts: view.attributes });
    } catch (error) {
      if (signal.aborted || this.#signInFor(error)) return;
      const failure = failureOf(error);
      // right after its start the controller has read nothing yet
      if (failure.code === 'NotReady') setTimeout(() => void (signal.aborted || this.#loadGraph()), 1000);
      else this.#state.set({ graphState: failure });
    }
  }

  #draw(): void {
    const wanted = ({ key, kind, size }: Group) =>
      this.#byHand.get(key) ?? (kind === 'namespace' ? this.#opensByItself : size <= apartUpTo);
    this.#state.set({ displayed: displayedGraph(this.told, wanted) });
  }

  async #loadProposals(): Promise<void> {
    try {
      const [proposals, deviations] = await Promise.all([this.#api.proposals(), this.#api.deviations()]);
      this.#state.set({
        proposals: new Map(proposals.map((proposal) => [proposalKey(proposal), proposal])),
        deviations,
        proposalsState: 'loaded',
      });
    } catch (error) {
      if (!this.#signInFor(error)) this.#state.set({ proposalsState: failureOf(error) });
    }
  }

  async #loadDetail({ namespace, name }: { readonly namespace: string; readonly name: string }): Promise<void> {
    this.#detailRequest.abort();
    this.#detailRequest = new AbortController();
    const { signal } = this.#detailRequest;
    try {
      const proposal = await this.#api.proposal(namespace, name, signal);
      if (signal.aborted) return;
      this.#showDetail(proposal, undefined);
      const effect = await this.#api.effect(namespace, name, signal);
      if (!signal.aborted) this.#showDetail(proposal, effect);
    } catch (error) {
      if (signal.aborted || this.#signInFor(error)) return;
      const { detail } = this.#state.now;
      // what is known of the proposal stays where only its effect cannot be told
      if (detail === undefined || detail instanceof ApiFailure) this.#state.set({ detail: failureOf(error) });
    }
  }

  /** Nothing that is read is drawn anew where it is the same as before. */
  #showDetail(proposal: ProposalDetail, effect: ProposalEffect | undefined): void {
    const { detail } = this.#state.now;
    const before = detail instanceof ApiFailure ? undefined : detail;
    const known = effect ?? (before?.proposal.digest === proposal.digest ? before.effect : undefined);
    const now = { proposal, effect: known };
    if (JSON.stringify(before) !== JSON.stringify(now)) this.#state.set({ detail: now });
  }

  #refreshDetail(changed: { readonly namespace: string; readonly name: string }): void {
    const { selection } = this.#state.now;
    if (selection?.kind === 'proposal' && proposalKey(selection) === proposalKey(changed))
      void this.#loadDetail(selection);
  }

  #listeners(): Parameters<typeof followUpdates>[1] {
    const reloadAll = () => {
      void this.#loadGraph();
      void this.#loadProposals();
      const { selection } = this.#state.now;
      if (selection?.kind === 'proposal') void this.#loadDetail(selection);
    };
    return {
      state: (live) => this.#state.set({ live }),
      refused: (failure) => void this.#signInFor(failure),
      ready: () => undefined,
      reset: reloadAll,
      graph: (change) => this.#changed(change),
      proposal: (summary) => this.#proposalChanged(summary),
      'proposal-gone': (gone) => {
        const proposals = new Map(this.#state.now.proposals);
        proposals.delete(proposalKey(gone));
        this.#state.set({ proposals });
        this.#tell(`${proposalKey(gone)} is gone`);
      },
      deviation: (deviation) => {
        const others = this.#state.now.deviations.filter(
          ({ namespace, proposal, connection }) =>
            namespace !== deviation.namespace || proposal !== deviation.proposal || connection !== deviation.connection,
        );
        this.#state.set({ deviations: [deviation, ...others] });
        this.#tell(`deviation: ${deviation.words}, ${deviation.verdict}`);
      },
      cluster: () => this.#clusterChanged(),
    };
  }

  #proposalChanged(summary: ServerEvents['proposal']): void {
    const before = this.#state.now.proposals.get(proposalKey(summary));
    this.#state.set({ proposals: new Map(this.#state.now.proposals).set(proposalKey(summary), summary) });
    if (before?.state !== summary.state) this.#tell(`${summary.title} is ${summary.state}`);
    this.#refreshDetail(summary);
  }

  #changed(change: GraphChange): void {
    // a filter is applied by the server, and so is what of a large cluster is told apart
    const cannotMerge = change.refetch || !this.#isWhole || isFiltered(this.#state.now.filter);
    if (!cannotMerge) {
      const added = this.told.merge(change);
      const parts = [
        ...(added.nodes > 0 ? [`${added.nodes} new in the graph`] : []),
        ...(added.edges > 0 ? [`${added.edges} new ${added.edges === 1 ? 'pair talks' : 'pairs talk'}`] : []),
      ];
      if (parts.length > 0) this.#tell(parts.join(', '));
      const { graphFacts } = this.#state.now;
      if (graphFacts) this.#state.set({ graphFacts: { ...graphFacts, connections: this.told.connections } });
    }
    this.#drawSoon(cannotMerge);
  }

  #clusterChanged(): void {
    void this.#api.session().then(
      (session) => this.#state.set({ session }),
      (error: unknown) => this.#signInFor(error),
    );
    this.#drawSoon(true);
  }

  #drawSoon(reload: boolean): void {
    if (this.#pending !== undefined) {
      this.#pending.reload ||= reload;
      return;
    }
    this.#pending = { reload };
    setTimeout(() => {
      const isReload = this.#pending?.reload === true;
      this.#pending = undefined;
      if (isReload) void this.#loadGraph();
      else this.#draw();
    }, drawEveryMs);
  }

  #tell(news: string): void {
    this.#state.set({ news: [news, ...this.#state.now.news].slice(0, 200) });
  }

  /** True where the answer was that somebody has to say who they are. */
  #signInFor(error: unknown): boolean {
    if (!(error instanceof ApiFailure) || error.status !== 401) return false;
    this.#following.abort();
    this.#state.set({
      signIn: { because: error.message },
      live: { kind: 'disconnected', since: Date.now(), message: 'a token is needed' },
    });
    return true;
  }
}

function failureOf(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  throw error;
}
