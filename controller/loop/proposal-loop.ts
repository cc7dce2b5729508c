import type { Logger } from 'pino';
import { ClusterError } from '../model/cluster-error.ts';
import type { ProposalState, ProposalStatus } from '../model/policy-proposal.ts';
import { problem } from '../model/problem.ts';
import type { AuditRecord, ViewChange } from '../ports.ts';
import { ProposalReconciler, type ReconcilerParts } from './proposal-reconciler.ts';
import type { ProposalStudy } from './proposal-study.ts';
import { RecordKeeping, type RecordParts } from './record-keeping.ts';
import { belongsTo } from '../reconcile/apply-policies.ts';
import { type Outcome, retry, stop } from '../reconcile/outcome.ts';
import { WorkQueue } from '../reconcile/work-queue.ts';

export interface LoopParts extends RecordParts, Omit<ReconcilerParts, 'records' | 'alsoLookAt' | 'isPassing'> {
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Logger;
  /** How often everything is looked at again, in ms. */
  readonly refreshMs: number;
  /** A look at the cluster and its traffic as they are now. */
  readonly study: () => ProposalStudy;
  /** What else is to be done after each round; answers with what auditors are to know of it. */
  readonly afterRound: (study: ProposalStudy) => Promise<readonly AuditRecord[]>;
  /** All keys were looked at, for the how-manieth time. */
  readonly onRound?: (number: number, proposals: ReadonlyMap<string, ProposalStatus>) => void;
}

/** So many keys of a refresh wait in the queue at once: what people do, and what is due again, comes in between. */
const refreshAhead = 4;

/** So many keys are looked at at once: most of the time each of them waits for the API server. */
const atOnce = 8;

/** A round lets looks that people wait for go first, before each of its keys for no longer than this, in ms. */
const givenWayMs = 250;
/** In all of a round: what else goes wrong must not wait for as long as people decide. */
const mostGivenWayMs = 10_000;

/** A server that has just started refuses, for a moment, what it allowed before. */
const refusalsBelieved = 3;

/** Keeps every proposal and its policies as they should be, key by key. Runs only while this process leads. */
export class ProposalLoop {
  readonly #parts: LoopParts;
  readonly #queue: WorkQueue;
  readonly #records: RecordKeeping;
  readonly #reconciler: ProposalReconciler;
  /** Keys of the round under way that were not looked at yet. */
  readonly #handedOut = new Set<string>();
  /** Keys with decisions that nobody has looked at. */
  readonly #decided = new Set<string>();
  /** When the latest look of a round begins. */
  #turn: Promise<void> = Promise.resolve();
  #study: ProposalStudy | undefined;
  #refreshed = 0;
  /** Ends the rest between two rounds. */
  #hurry = new AbortController();
  /** Since when the kill switch of the whole cluster is known to be thrown. */
  #stop: { readonly timeMs: number; readonly reason: string } | undefined;

  constructor(parts: LoopParts) {
    this.#parts = parts;
    this.#queue = new WorkQueue({ clock: parts.clock, random: parts.random });
    this.#records = new RecordKeeping(parts);
    this.#reconciler = new ProposalReconciler({
      ...parts,
      records: this.#records,
      alsoLookAt: (key) => this.#queue.add(key),
      isPassing: (key, error) => this.#isPassing(key, error),
    });
  }

  /** Rejects with what is no user's and no network's fault. */
  async run(signal: AbortSignal): Promise<void> {
    const { view } = this.#parts;
    await view.synced;
    const unsubscribe = view.subscribe((change) => this.#noticed(change));
    try {
      const workers = Array.from({ length: atOnce }, () => this.#work(signal));
      await Promise.all([this.#refresh(signal), ...workers]);
    } finally {
      unsubscribe();
    }
  }

  #noticed(change: ViewChange): void {
    switch (change.kind) {
      case 'proposal': {
        const key = `${change.namespace}/${change.name}`;
        this.#reconciler.noticed(key);
        this.#queue.add(key);
        break;
      }
      case 'approval': {
        const found = this.#parts.view
          .approvals()
          .find(({ metadata }) => metadata.namespace === change.namespace && metadata.name === change.name);
        if (found === undefined) break;
        const key = `${change.namespace}/${found.spec.proposal}`;
        // nanoseg's answer is news too, and nothing that anybody waits for
        if (found.status === undefined) {
          this.#decided.add(key);
          this.#queue.addUrgent(key);
        } else this.#queue.add(key);
        break;
      }
      case 'policy': {
        const { namespace, name } = change;
        const { view } = this.#parts;
        const changed = view
          .networkPolicies()
          .find(({ metadata }) => metadata.namespace === namespace && metadata.name === name);
        for (const { metadata, status } of view.proposals()) {
          if (metadata.namespace !== namespace) continue;
          const isItsOwn = status?.enforced?.policies.includes(name) === true;
          if (isItsOwn || (changed && belongsTo(changed, metadata.name)))
            this.#queue.add(`${namespace}/${metadata.name}`);
        }
        break;
      }
      case 'profile':
        // a mode, or the kill switch: it is to be felt at once
        this.#hurry.abort();
        break;
      case 'cluster':
        break;
    }
  }

  /** Looks at the world anew in each round, and hands out all keys at a pace that leaves room for others. */
  async #refresh(signal: AbortSignal): Promise<void> {
    const { clock, view, study, flows, metrics } = this.#parts;
    while (!signal.aborted) {
      const startedMs = clock.now();
      this.#study = study();
      flows.renew(this.#study.cluster);
      const stored = view.proposals().map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      let leftMs = mostGivenWayMs;
      for (const key of new Set([...this.#study.keys(), ...stored])) {
        await this.#untilHandedOut(refreshAhead - 1, signal);
        leftMs -= await this.#giveWay(Math.min(givenWayMs, leftMs), signal);
        if (signal.aborted) return;
        this.#handedOut.add(key);
        this.#queue.add(key);
      }
      metrics.proposals(countStates(this.#reconciler.statuses.values()));
      metrics.waiting(this.#queue.size());
      await this.#untilHandedOut(0, signal);
      if (signal.aborted) return;
      await this.#afterRound(this.#study);
      this.#parts.onRound?.(++this.#refreshed, this.#reconciler.statuses);
      // a round that takes long leaves time to others, and news of the world does not wait for long
      const { refreshMs } = this.#parts;
      const tookMs = clock.now() - startedMs;
      const restMs = Math.max(refreshMs - tookMs, Math.min(tookMs, refreshMs));
      this.#hurry = new AbortController();
      await clock.sleep(restMs, AbortSignal.any([signal, this.#hurry.signal])).catch(() => undefined);
    }
  }

  /** While nothing may be written, nothing is recorded either: both ends of that time are, once it is over. */
  async #noteStop(): Promise<void> {
    const { view, clock, log } = this.#parts;
    const reason = view.stopped();
    if (reason !== undefined) {
      if (this.#stop === undefined) log.warn({ reason }, 'nothing is written until the kill switch is taken back');
      this.#stop ??= { timeMs: clock.now(), reason };
    } else if (this.#stop !== undefined) {
      const { timeMs, reason: given } = this.#stop;
      this.#stop = undefined;
      const record = (action: 'Stopped' | 'Resumed', at: number, message: string): AuditRecord => {
        const [namespace = '', name = 'default'] = view.clusterProfile().origin.split('/');
        const subject = { kind: 'SegmentationProfile', namespace, name };
        return { timeMs: at, actor: 'a person', action, subject, message };
      };
      await this.#records.record(
        record('Stopped', timeMs, `the kill switch was found thrown: ${given}`),
        record('Resumed', clock.now(), 'the kill switch was taken back: nanoseg writes again'),
      );
    }
  }

  /** Resolves when at most so many keys of the round wait, whatever else does: else a busy queue would hold the round up. */
  async #untilHandedOut(most: number, signal: AbortSignal): Promise<void> {
    while (this.#handedOut.size > most && !signal.aborted)
      await this.#parts.clock.sleep(5, signal).catch(() => undefined);
  }

  /** For no longer than `mostMs`; answers with how long it took. */
  async #giveWay(mostMs: number, signal: AbortSignal): Promise<number> {
    const { clock } = this.#parts;
    const startedMs = clock.now();
    while (this.#decided.size > 0 && clock.now() < startedMs + mostMs && !signal.aborted)
      await clock.sleep(5, signal).catch(() => undefined);
    return clock.now() - startedMs;
  }

  /** Looks of a round begin one after the other, with a moment between them for all else that goes on. */
  async #inTurn(signal: AbortSignal): Promise<void> {
    this.#turn = this.#turn.then(() => this.#parts.clock.sleep(0, signal)).catch(() => undefined);
    await this.#turn;
  }

  async #afterRound(study: ProposalStudy): Promise<void> {
    try {
      await this.#noteStop();
      await this.#records.record(...(await this.#parts.afterRound(study)));
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      // the next round does it again
      this.#parts.log.warn({ error: error.message }, 'what follows a round failed');
    }
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { metrics, log } = this.#parts;
    for await (const key of this.#queue.take(signal)) {
      if (this.#handedOut.has(key)) await this.#inTurn(signal);
      const outcome = await this.#attempt(key);
      this.#handedOut.delete(key);
      this.#decided.delete(key);
      metrics.reconciled(outcome.kind);
      switch (outcome.kind) {
        case 'done':
          this.#queue.forget(key);
          break;
        case 'after':
          this.#queue.forget(key);
          this.#queue.addAfter(key, outcome.delayMs);
          break;
        case 'retry':
          if (signal.aborted) break;
          this.#queue.addBackedOff(key);
          log.warn({ key, error: outcome.error.message }, 'looking at a proposal failed and is tried again');
          break;
        case 'stop':
          this.#queue.forget(key);
          log.error({ key, problem: outcome.problem }, 'a proposal waits for somebody to change something');
          break;
      }
    }
  }

  async #attempt(key: string): Promise<Outcome> {
    try {
      await this.#records.retry();
      this.#study ??= this.#parts.study();
      return await this.#reconciler.reconcile(key, this.#study);
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      this.#reconciler.failed(key);
      const again = ['Conflict', 'AlreadyExists', 'NotFound'].includes(error.code) || this.#isPassing(key, error);
      return again ? retry(error) : stop(problem('ApplyRefused', error.message, key));
    }
  }

  #isPassing(key: string, { retryable, code }: ClusterError): boolean {
    const refused = code === 'Forbidden' || code === 'Unauthorized';
    return retryable || (refused && this.#queue.failures(key) < refusalsBelieved);
  }
}

function countStates(statuses: Iterable<ProposalStatus>): Map<ProposalState, number> {
  const counts = new Map<ProposalState, number>();
  for (const { state } of statuses) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}
