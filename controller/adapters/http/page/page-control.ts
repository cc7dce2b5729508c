import type { GraphChange, SearchHit, ServerEvents } from '../../../view/api-shape.ts';
import { AgainLater } from './client/again-later.ts';
import { type ApiClient, ApiFailure, failureOf, type GraphFilter, type GraphScope } from './client/api-client.ts';
import { followUpdates } from './client/live-updates.ts';
import { displayedGraph } from './drawing/displayed-graph.ts';
import { type Group, type GroupKey, groupOfNode } from './drawing/groups.ts';
import { isFiltered, type OverlayMode, type PageState, proposalKey, type Selection } from './page-state.ts';
import { ProposalReading } from './proposal-reading.ts';
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
  readonly proposals: ProposalReading;
  readonly #graphAgain = new AgainLater();
  readonly #sessionAgain = new AgainLater();
  #graphRequest = new AbortController();
  #following = new AbortController();
  #pending: { reload: boolean } | undefined;

  constructor(api: ApiClient, state: PageState) {
    this.#api = api;
    this.#state = state;
    this.proposals = new ProposalReading(api, state, (failure) => this.#askedWho(failure));
  }

  async start(): Promise<void> {
    this.#stop();
    this.#following = new AbortController();
    const { signal } = this.#following;
    try {
      const session = await this.#api.session();
      if (signal.aborted) return;
      const { session: former } = this.#state.now;
      if (former !== undefined && former.user !== session.user) this.#forget();
      this.#sessionAgain.had();
      this.#state.set({ session, signIn: undefined });
      const workloads = session.namespaces.reduce((sum, namespace) => sum + namespace.workloads, 0);
      this.#isWhole = workloads <= wholeUpTo;
      this.#opensByItself = workloads <= openUpTo;
    } catch (error) {
      const failure = failureOf(error);
      if (signal.aborted || this.#askedWho(failure, 403)) return;
      this.#sessionAgain.after(failure, () => void this.start());
      const live = { kind: 'disconnected', since: Date.now(), because: failure.message } as const;
      const { graphState } = this.#state.now;
      // what says so already, and may have the focus, is not drawn anew
      const isSame = graphState instanceof ApiFailure && graphState.message === failure.message;
      this.#state.set({ live, ...(!isSame && { graphState: failure, proposalsState: failure }) });
      return;
    }
    void this.proposals.loadSelected();
    await Promise.all([this.#loadGraph(), this.proposals.loadAll()]);
    if (signal.aborted) return;
    await followUpdates(this.#api, this.#listeners(), signal);
  }

  signIn(token: string): void {
    this.#api.useToken(token === '' ? undefined : token);
    this.#state.set({ signIn: undefined });
    this.retry();
  }

  /** Whether the page has a token of its own, which it can forget. */
  get canSignOut(): boolean {
    return this.#api.hasToken;
  }

  signOut(): void {
    this.#stop();
    this.#api.useToken(undefined);
    this.#forget();
    this.#state.set({
      session: undefined,
      signIn: { title: 'You are signed out', because: 'This page has forgotten your token.', takesToken: true },
      live: { kind: 'signed-out' },
    });
  }

  retry(): void {
    const { displayed } = this.#state.now;
    // what is there stays until something else has come
    if (displayed === undefined || displayed.nodes.size === 0) this.#state.set({ graphState: 'loading' });
    if (this.#state.now.proposalsState !== 'loaded') this.#state.set({ proposalsState: 'loading' });
    void this.start();
  }

  /** Asks for nothing any more. */
  #stop(): void {
    this.#following.abort();
    this.#graphRequest.abort();
    this.#graphAgain.stop();
    this.#sessionAgain.stop();
    this.proposals.stop();
  }

  /** What one person may see is nothing for the next one. */
  #forget(): void {
    this.told.replace({ nodes: [], edges: [] });
    this.#byHand.clear();
    this.#draw();
    this.#state.set({
      graphState: 'loading',
      graphFacts: undefined,
      proposalsState: 'loading',
      proposals: new Map(),
      deviations: [],
      detail: undefined,
      news: [],
    });
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
    this.proposals.abandonDetail();
    if (selection?.kind !== 'proposal') {
      this.#state.set({ detail: undefined, overlay: 'off' });
      return;
    }
    this.#state.set({ detail: undefined });
    // before anybody is let in, there is nothing to be told; it is asked for then
    if (this.#state.now.session !== undefined) void this.proposals.loadSelected();
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
    this.#state.set({ opened: isOpen && groups.length === 1 ? groups[0] : undefined });
  }

  async openAll(isOpen: boolean): Promise<void> {
    await this.open([...(this.#state.now.displayed?.groups.keys() ?? [])], isOpen);
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
      this.#askedWho(failureOf(error));
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
    this.#graphAgain.stop();
    this.#graphRequest = new AbortController();
    const { signal } = this.#graphRequest;
    const { filter } = this.#state.now;
    try {
      const view = await this.#api.graph(filter, this.scope, signal);
      if (signal.aborted) return;
      this.#graphAgain.had();
      this.told.replace(view);
      this.#draw();
      this.#state.set({ graphState: 'loaded', graphFacts: view.attributes });
    } catch (error) {
      if (signal.aborted) return;
      const failure = failureOf(error);
      if (this.#askedWho(failure)) return;
      this.#graphAgain.after(failure, () => void this.#loadGraph());
      if (failure.code !== 'NotReady') this.#state.set({ graphState: failure });
    }
  }

  #draw(): void {
    const wanted = ({ key, kind, size }: Group) =>
      this.#byHand.get(key) ?? (kind === 'namespace' ? this.#opensByItself : size <= apartUpTo);
    this.#state.set({ displayed: displayedGraph(this.told, wanted) });
  }

  #listeners(): Parameters<typeof followUpdates>[1] {
    const reloadAll = () => {
      void this.#loadGraph();
      void this.proposals.loadAll();
      void this.proposals.loadSelected();
    };
    return {
      state: (live) => this.#state.set({ live }),
      refused: (failure) => void this.#askedWho(failure, 403),
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
    this.proposals.refresh(summary);
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
      (error: unknown) => void this.#askedWho(failureOf(error)),
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
      if (this.#following.signal.aborted) return;
      if (isReload) void this.#loadGraph();
      else this.#draw();
    }, drawEveryMs);
  }

  #tell(news: string): void {
    this.#state.set({ news: [news, ...this.#state.now.news].slice(0, 200) });
  }

  /**
   * True where the answer was that somebody else has to ask: nobody is known by the token, or, with `also`, who is may see
   * nothing. What one looks at stays behind the question.
   */
  #askedWho({ status, message, asksForToken }: ApiFailure, also = 401): boolean {
    if (status !== 401 && status !== also) return false;
    const { session } = this.#state.now;
    this.#stop();
    const title =
      status === 403 ? 'You may see nothing here' : session === undefined ? 'Who are you?' : 'Who are you now?';
    const because =
      status === 401 && session !== undefined
        ? `The token of ${session.user} is not accepted any more (${message}). What you look at stays.`
        : message;
    this.#state.set({
      signIn: { title, because, takesToken: asksForToken || this.#api.hasToken },
      live: { kind: 'signed-out' },
    });
    return true;
  }
}
