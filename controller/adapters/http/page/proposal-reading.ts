import type { ListPage } from '../../../view/api-shape.ts';
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
} from '../../../view/proposal-shape.ts';
import { AgainLater } from './client/again-later.ts';
import { type ApiClient, ApiFailure, failureOf } from './client/api-client.ts';
import { type PageState, proposalKey } from './page-state.ts';

type Named = Pick<ProposalSummary, 'namespace' | 'name'>;

/** Asks for proposals and for everything about the one that is selected, and decides about it. */
export class ProposalReading {
  readonly #api: ApiClient;
  readonly #state: PageState;
  /** True where the failure was about who asks, which is seen to elsewhere. */
  readonly #isAboutCaller: (failure: ApiFailure) => boolean;
  readonly #listAgain = new AgainLater();
  readonly #detailAgain = new AgainLater();
  #detailRequest = new AbortController();

  constructor(api: ApiClient, state: PageState, isAboutCaller: (failure: ApiFailure) => boolean) {
    this.#api = api;
    this.#state = state;
    this.#isAboutCaller = isAboutCaller;
  }

  async loadAll(): Promise<void> {
    this.#listAgain.stop();
    try {
      const [proposals, deviations] = await Promise.all([this.#api.proposals(), this.#api.deviations()]);
      this.#listAgain.had();
      this.#state.set({
        proposals: new Map(proposals.map((proposal) => [proposalKey(proposal), proposal])),
        deviations,
        proposalsState: 'loaded',
      });
    } catch (error) {
      const failure = failureOf(error);
      if (this.#isAboutCaller(failure)) return;
      this.#listAgain.after(failure, () => void this.loadAll());
      // a list that is there says more than that it could not be had again
      if (this.#state.now.proposalsState !== 'loaded') this.#state.set({ proposalsState: failure });
    }
  }

  /** Everything about the selected proposal, if one is selected. */
  async loadSelected(): Promise<void> {
    const { selection } = this.#state.now;
    if (selection?.kind !== 'proposal') return;
    this.abandonDetail();
    this.#detailRequest = new AbortController();
    const { signal } = this.#detailRequest;
    const { namespace, name } = selection;
    try {
      const proposal = await this.#api.proposal(namespace, name, signal);
      if (signal.aborted) return;
      this.#show(proposal, undefined);
      const effect = await this.#api.effect(namespace, name, signal);
      if (signal.aborted) return;
      this.#detailAgain.had();
      this.#show(proposal, effect);
    } catch (error) {
      if (signal.aborted) return;
      const failure = failureOf(error);
      if (this.#isAboutCaller(failure)) return;
      this.#detailAgain.after(failure, () => void this.loadSelected());
      const { detail } = this.#state.now;
      // what is known of the proposal stays where only its effect cannot be told
      if (detail === undefined || detail instanceof ApiFailure) this.#state.set({ detail: failure });
    }
  }

  refresh(changed: Named): void {
    const { selection } = this.#state.now;
    if (selection?.kind === 'proposal' && proposalKey(selection) === proposalKey(changed)) void this.loadSelected();
  }

  abandonDetail(): void {
    this.#detailRequest.abort();
    this.#detailAgain.stop();
  }

  /** Nothing that is asked for comes any more. */
  stop(): void {
    this.abandonDetail();
    this.#listAgain.stop();
  }

  /** A page of a list that a proposal has only the beginning of. */
  list(proposal: Named, list: ProposalListName, from: string | undefined): Promise<ListPage<ListedConnection>> {
    return this.#caring(this.#api.proposalList(proposal, list, from));
  }

  takingBack(proposal: Named, path: TakingBackPath): Promise<TakingBack> {
    return this.#caring(this.#api.takingBack(proposal, path));
  }

  async decide(proposal: Named, path: DecisionPath, input: DecisionInput): Promise<DecisionAnswer> {
    const answer = await this.#caring(this.#api.decide(proposal, path, input));
    this.refresh(proposal);
    return answer;
  }

  async #caring<Answer>(asked: Promise<Answer>): Promise<Answer> {
    try {
      return await asked;
    } catch (error) {
      this.#isAboutCaller(failureOf(error));
      throw error;
    }
  }

  /** Nothing that is read is drawn anew where it is the same as before. */
  #show(proposal: ProposalDetail, effect: ProposalEffect | undefined): void {
    const { detail } = this.#state.now;
    const before = detail instanceof ApiFailure ? undefined : detail;
    const known = effect ?? (before?.proposal.digest === proposal.digest ? before.effect : undefined);
    const now = { proposal, effect: known };
    if (JSON.stringify(before) !== JSON.stringify(now)) this.#state.set({ detail: now });
  }
}
