import type { ApiError, DeviationEntry, ListPage, SearchHit, SessionView } from '../../../../view/api-shape.ts';
import type { ConnectionState, ConnectionView, GraphLevel, GraphView } from '../../../../view/graph-shape.ts';
import type {
  DecisionAnswer,
  DecisionInput,
  DecisionPath,
  ListedConnection,
  ProposalDetail,
  ProposalEffect,
  ProposalListName,
  ProposalSummary,
  TakingBack,
  TakingBackPath,
} from '../../../../view/proposal-shape.ts';

/** Why an answer is none. `status` 0: nobody answered. */
export class ApiFailure extends Error {
  readonly status: number;
  readonly code: string;
  /** The server wants to be left alone for so long; 0: it does not say. */
  readonly waitMs: number;
  /** A token would help, and may be given with a request. */
  readonly asksForToken: boolean;

  constructor(status: number, { code, message }: ApiError, { waitMs = 0, asksForToken = false } = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.waitMs = waitMs;
    this.asksForToken = asksForToken;
  }

  /** The same request may be answered later. */
  get isPassing(): boolean {
    return [0, 429, 502, 503, 504].includes(this.status);
  }
}

/** Rethrows what is a fault of the page. */
export function failureOf(error: unknown): ApiFailure {
  if (error instanceof ApiFailure) return error;
  throw error;
}

/** What of the graph is asked for; empty lists and texts ask for all. */
export interface GraphFilter {
  readonly namespaces: readonly string[];
  /** As the person wrote it. */
  readonly workload: string;
  /** The workloads that this means, `shop/Deployment/cart`. */
  readonly workloads: readonly string[];
  readonly protocol: string;
  readonly states: readonly ConnectionState[];
  /** ISO 8601, or empty. */
  readonly since: string;
  readonly until: string;
}

/** Who is told apart: everybody, or the members of some namespaces. */
export interface GraphScope {
  readonly level: GraphLevel;
  readonly expand: readonly string[];
}

/** Items of a page, as many as the API gives at once. */
const mostOfPage = 500;

type Query = Readonly<Record<string, string | readonly string[] | number | undefined>>;

/** The controller's API. The token is kept here, in memory, and nowhere else. */
export class ApiClient {
  #token: string | undefined;

  useToken(token: string | undefined): void {
    this.#token = token;
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  session(): Promise<SessionView> {
    return this.#get('session');
  }

  graph(filter: GraphFilter, scope: GraphScope, signal: AbortSignal): Promise<GraphView> {
    return this.#get('graph', { ...filterQuery(filter), ...scope }, signal);
  }

  /** The connections between two nodes of the graph, at most so many. */
  connections(
    pair: { readonly source: string; readonly target: string },
    filter: GraphFilter,
    scope: GraphScope,
    limit: number,
    signal: AbortSignal,
  ): Promise<ListPage<ConnectionView>> {
    return this.#get('connections', { ...pair, ...filterQuery(filter), ...scope, limit }, signal);
  }

  async proposals(): Promise<ProposalSummary[]> {
    return this.#all<ProposalSummary>('proposals');
  }

  proposal(namespace: string, name: string, signal: AbortSignal): Promise<ProposalDetail> {
    return this.#get(proposalPath(namespace, name), {}, signal);
  }

  effect(namespace: string, name: string, signal: AbortSignal): Promise<ProposalEffect> {
    return this.#get(`${proposalPath(namespace, name)}/effect`, {}, signal);
  }

  /** A page of one of its lists, after the page that said `from`. */
  proposalList(
    { namespace, name }: Pick<ProposalSummary, 'namespace' | 'name'>,
    list: ProposalListName,
    from: string | undefined,
  ): Promise<ListPage<ListedConnection>> {
    return this.#get(`${proposalPath(namespace, name)}/${list}`, { limit: mostOfPage, continue: from });
  }

  decide(
    { namespace, name }: Pick<ProposalSummary, 'namespace' | 'name'>,
    decision: DecisionPath,
    input: DecisionInput,
  ): Promise<DecisionAnswer> {
    return this.#json(`${proposalPath(namespace, name)}/${decision}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(input),
    });
  }

  /** What would come of a rollback or a retirement. */
  takingBack(
    { namespace, name }: Pick<ProposalSummary, 'namespace' | 'name'>,
    decision: TakingBackPath,
  ): Promise<TakingBack> {
    return this.#get(`${proposalPath(namespace, name)}/${decision}`);
  }

  async deviations(): Promise<DeviationEntry[]> {
    return this.#all<DeviationEntry>('deviations');
  }

  async find(text: string): Promise<readonly SearchHit[]> {
    const found: { readonly items: readonly SearchHit[] } = await this.#get('search', { q: text });
    return found.items;
  }

  /** The stream of events, after the position if there is one. */
  events(position: string | undefined, signal: AbortSignal): Promise<Response> {
    const headers = { Accept: 'text/event-stream', ...(position !== undefined && { 'Last-Event-ID': position }) };
    return this.#fetch('events', { headers, signal, cache: 'no-store' });
  }

  async #all<Item>(path: string): Promise<Item[]> {
    const items: Item[] = [];
    let from: string | undefined;
    do {
      const page: ListPage<Item> = await this.#get(path, { limit: mostOfPage, continue: from });
      items.push(...page.items);
      from = page.continue ?? undefined;
    } while (from !== undefined);
    return items;
  }

  #get<Answer>(path: string, query: Query = {}, signal?: AbortSignal): Promise<Answer> {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
      const texts = typeof value === 'object' ? value : [`${value ?? ''}`];
      for (const text of texts) if (text !== '') search.append(name, text);
    }
    return this.#json(search.size === 0 ? path : `${path}?${search}`, signal === undefined ? {} : { signal });
  }

  async #json<Answer>(path: string, init: RequestInit): Promise<Answer> {
    const response = await this.#fetch(path, init);
    return (await response.json()) as Answer;
  }

  async #fetch(path: string, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    if (this.#token !== undefined) headers.set('Authorization', `Bearer ${this.#token}`);
    let response: Response;
    try {
      // relative, so that the page works behind a proxy that gives it a path
      response = await fetch(`api/v1/${path}`, { ...init, headers, credentials: 'omit', redirect: 'error' });
    } catch (error) {
      if (init.signal?.aborted === true) throw error;
      throw new ApiFailure(0, { code: 'Unreachable', message: 'nanoseg does not answer' });
    }
    if (response.ok) return response;
    throw new ApiFailure(response.status, await errorOf(response), {
      waitMs: (Number(response.headers.get('Retry-After')) || 0) * 1000,
      asksForToken: response.headers.has('WWW-Authenticate'),
    });
  }
}

function filterQuery({ namespaces, workloads, states, protocol, since, until }: GraphFilter): Query {
  return { namespace: namespaces, workload: workloads, state: states, protocol, since, until };
}

function proposalPath(namespace: string, name: string): string {
  return `proposals/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const told = (await response.json()) as Partial<ApiError>;
    if (typeof told.message === 'string') return { code: told.code ?? '', message: told.message };
  } catch {
    // an answer that is not of nanoseg: its status has to do
  }
  return { code: '', message: `${response.status} ${response.statusText}`.trim() };
}
