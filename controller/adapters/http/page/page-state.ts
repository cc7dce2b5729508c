import type { DeviationEntry, SessionView } from '../../../view/api-shape.ts';
import type { GraphViewAttributes } from '../../../view/graph-shape.ts';
import type { ProposalDetail, ProposalEffect, ProposalSummary } from '../../../view/proposal-shape.ts';
import type { ApiFailure, GraphFilter } from './client/api-client.ts';
import type { LiveState } from './client/live-updates.ts';
import type { DisplayedGraph } from './drawing/displayed-graph.ts';
import type { GroupKey } from './drawing/groups.ts';

/** What the panel is about. */
export type Selection =
  | { readonly kind: 'proposal'; readonly namespace: string; readonly name: string }
  /** A node of the graph, or a group that is closed. */
  | { readonly kind: 'node'; readonly key: string }
  | { readonly kind: 'group'; readonly key: GroupKey }
  /** Keys of what is drawn. */
  | { readonly kind: 'edge'; readonly source: string; readonly target: string };

/** Which side of a proposal the picture shows. */
export type OverlayMode = 'off' | 'before' | 'after' | 'both';

export type Loading = 'loading' | 'loaded' | ApiFailure;

export interface SignInQuestion {
  readonly title: string;
  readonly because: string;
  /** A token can be given here; false: who passes the requests on has its own. */
  readonly takesToken: boolean;
}

export interface PageValues {
  readonly session: SessionView | undefined;
  /** Undefined: nobody is asked who they are; else why. */
  readonly signIn: SignInQuestion | undefined;
  readonly live: LiveState;
  readonly filter: GraphFilter;
  /** What the graph is, before anything is drawn of it. */
  readonly graphState: Loading;
  readonly graphFacts: GraphViewAttributes | undefined;
  readonly displayed: DisplayedGraph | undefined;
  readonly proposalsState: Loading;
  readonly proposals: ReadonlyMap<string, ProposalSummary>;
  readonly deviations: readonly DeviationEntry[];
  readonly selection: Selection | undefined;
  /** The group that a person opened last, which is looked at from near. */
  readonly opened: GroupKey | undefined;
  readonly detail:
    | { readonly proposal: ProposalDetail; readonly effect: ProposalEffect | undefined }
    | ApiFailure
    | undefined;
  readonly overlay: OverlayMode;
  /** Changes that came by themselves since the person last looked at them. */
  readonly news: readonly string[];
}

export const noFilter: GraphFilter = {
  namespaces: [],
  workload: '',
  workloads: [],
  protocol: '',
  states: [],
  since: '',
  until: '',
};

const initial: PageValues = {
  session: undefined,
  signIn: undefined,
  live: { kind: 'connecting' },
  filter: noFilter,
  graphState: 'loading',
  graphFacts: undefined,
  displayed: undefined,
  proposalsState: 'loading',
  proposals: new Map(),
  deviations: [],
  selection: undefined,
  opened: undefined,
  detail: undefined,
  overlay: 'off',
  news: [],
};

/** All that the page shows, as values; who shows a part of it is told when that part is another value. */
export class PageState {
  #values = initial;
  readonly #watchers: { readonly names: ReadonlySet<keyof PageValues>; readonly tell: () => void }[] = [];

  get now(): PageValues {
    return this.#values;
  }

  set(change: Partial<PageValues>): void {
    const names = (Object.keys(change) as (keyof PageValues)[]).filter((name) => change[name] !== this.#values[name]);
    if (names.length === 0) return;
    this.#values = { ...this.#values, ...change };
    for (const watcher of this.#watchers) if (names.some((name) => watcher.names.has(name))) watcher.tell();
  }

  /** Tells at once, and again whenever one of the named values changes. */
  watch(names: readonly (keyof PageValues)[], tell: (values: PageValues) => void): void {
    this.#watchers.push({ names: new Set(names), tell: () => tell(this.#values) });
    tell(this.#values);
  }
}

export function isFiltered(filter: GraphFilter): boolean {
  return Object.values(filter).some((value: string | readonly string[]) => value.length > 0);
}

export function proposalKey({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
