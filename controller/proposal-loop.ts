import type { Logger } from 'pino';
import type { ControllerMetrics } from './adapters/prometheus/metrics.ts';
import { allowedUntil, tendAllowances } from './learning-allowances.ts';
import type { MadeProposal } from './made-proposal.ts';
import { noItems } from './made-proposal.ts';
import { ClusterError } from './model/cluster-error.ts';
import type { Labels } from './model/label-selector.ts';
import type { NetworkPolicy } from './model/network-policy.ts';
import type { ApprovalSpec, PolicyApproval } from './model/policy-approval.ts';
import {
  type PolicyProposal,
  type ProposalProof,
  type ProposalState,
  type ProposalStatus,
  type Revision,
  resourceApiVersion,
} from './model/policy-proposal.ts';
import type { Profile } from './model/profile.ts';
import { problem, type Problem } from './model/problem.ts';
import { canonicalPolicies, samePolicySpec } from './policy/canonical-policy.ts';
import { renderYamlDocuments } from './policy/render-yaml.ts';
import { PolicyTexts } from './policy-text.ts';
import type {
  AuditLog,
  AuditRecord,
  ClusterView,
  Clock,
  EventRecorder,
  Leadership,
  Notifier,
  ObjectStore,
  ViewChange,
} from './ports.ts';
import { OwnWrites } from './own-writes.ts';
import type { CheckedProposal, KeptRecord, SealedProposals } from './sealed-proposals.ts';
import type { Making, ProposalStudy } from './proposal-study.ts';
import { adoptedRevision } from './reconcile/adopted-revision.ts';
import { belongsTo, driftOf, type PolicyWriter, putInForce, tryPolicies } from './reconcile/apply-policies.ts';
import { chooseText, proposedDigestAnnotation } from './reconcile/choose-text.ts';
import { type HashText, proposalDigest } from './reconcile/digest.ts';
import type { FlowWatch } from './flow-watch.ts';
import { type ApprovalJudgement, judgeApprovals } from './reconcile/judge-approval.ts';
import { after, done, type Outcome, retry, stop } from './reconcile/outcome.ts';
import { planProposal, type ProposalPlan } from './reconcile/plan-proposal.ts';
import type { InForce, ProposalFacts, StandingText } from './reconcile/proposal-facts.ts';
import { significant } from './reconcile/significant.ts';
import { WorkQueue } from './reconcile/work-queue.ts';

export interface LoopParts {
  readonly view: ClusterView;
  readonly store: ObjectStore;
  readonly leadership: Pick<Leadership, 'assertHeld'>;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly hash: HashText;
  readonly audit: AuditLog;
  readonly notifier: Notifier;
  readonly events: EventRecorder;
  readonly metrics: ControllerMetrics;
  readonly log: Logger;
  readonly flows: FlowWatch;
  /** A look at the cluster and its traffic as they are now. */
  readonly study: () => ProposalStudy;
  /** `valid`, or why a stamp is worth nothing. */
  readonly verifyStamp: (namespace: string, spec: ApprovalSpec) => string;
  /** Tells what nanoseg itself wrote from what others wrote in its name. */
  readonly sealed: SealedProposals;
  /** Whose decisions never count. */
  readonly controllerUser: string | undefined;
  /** What else is to be done after each round; answers with what auditors are to know of it. */
  readonly afterRound: (study: ProposalStudy) => Promise<readonly AuditRecord[]>;
  /** All keys were looked at, for the how-manieth time. */
  readonly onRound?: (number: number, proposals: ReadonlyMap<string, ProposalStatus>) => void;
}

export interface LoopOptions {
  /** How often everything is looked at again, in ms. */
  readonly refreshMs: number;
  /** Least time between two writes of figures that move with every flow, in ms. */
  readonly figuresMs: number;
}

const onlyObserved: Making = { kind: 'none', because: 'nanoseg only observes the namespace', superseded: false };

/** So many keys of a refresh wait in the queue at once: what people do, and what is due again, comes in between. */
const refreshAhead = 4;

/** So many keys are looked at at once: most of the time each of them waits for the API server. */
const atOnce = 8;

/** A server that has just started refuses, for a moment, what it allowed before. */
const refusalsBelieved = 3;

/**
 * Keeps every proposal and its policies as they should be: reads the facts of one key at a time, has them planned purely,
 * and performs the plan. Runs only while this process leads.
 */
export class ProposalLoop {
  readonly #parts: LoopParts;
  readonly #options: LoopOptions;
  readonly #queue: WorkQueue;
  readonly #written = new OwnWrites();
  readonly #texts = new PolicyTexts();
  /** Oldest first. */
  readonly #unrecorded: AuditRecord[] = [];
  #recording: Promise<void> = Promise.resolve();
  /** Approvals that counted, by uid: the view may not know yet. */
  readonly #counted = new Set<string>();
  readonly #figuresAt = new Map<string, number>();
  /** What this leader wrote last, by key: a status that another took the place of is put back. */
  readonly #kept = new Map<string, KeptRecord>();
  /** As written last, by key. */
  readonly #statuses = new Map<string, ProposalStatus>();
  /** Keys of the round under way that were not looked at yet. */
  readonly #handedOut = new Set<string>();
  #study: ProposalStudy | undefined;
  #refreshed = 0;

  constructor(parts: LoopParts, options: LoopOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#queue = new WorkQueue({ clock: parts.clock, random: parts.random });
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
        this.#written.noticed(key, this.#stored(change.namespace, change.name));
        this.#queue.add(key);
        break;
      }
      case 'approval': {
        const found = this.#parts.view
          .approvals()
          .find(({ metadata }) => metadata.namespace === change.namespace && metadata.name === change.name);
        if (found) this.#queue.add(`${change.namespace}/${found.spec.proposal}`);
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
      case 'cluster':
      case 'profile':
        break;
    }
  }

  /** Looks at the world anew in each round, and hands out all keys at a pace that leaves room for others. */
  async #refresh(signal: AbortSignal): Promise<void> {
    const { clock, view, study, flows, metrics } = this.#parts;
    while (!signal.aborted) {
      const startedMs = clock.now();
      this.#study = study();
      flows.renew(this.#study.analyst.study);
      const stored = view.proposals().map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
      for (const key of new Set([...this.#study.keys(), ...stored])) {
        await this.#untilHandedOut(refreshAhead - 1, signal);
        if (signal.aborted) return;
        this.#handedOut.add(key);
        this.#queue.add(key);
      }
      metrics.proposals(countStates(this.#statuses.values()));
      metrics.waiting(this.#queue.size());
      await this.#untilHandedOut(0, signal);
      if (signal.aborted) return;
      await this.#afterRound(this.#study);
      this.#parts.onRound?.(++this.#refreshed, this.#statuses);
      // a round that takes long leaves time to others, and news of the world does not wait for long
      const { refreshMs } = this.#options;
      const tookMs = clock.now() - startedMs;
      const restMs = Math.max(refreshMs - tookMs, Math.min(tookMs, refreshMs));
      await clock.sleep(restMs, signal).catch(() => undefined);
    }
  }

  /** Resolves when at most so many keys of the round wait, whatever else does: else a busy queue would hold the round up. */
  async #untilHandedOut(most: number, signal: AbortSignal): Promise<void> {
    while (this.#handedOut.size > most && !signal.aborted)
      await this.#parts.clock.sleep(5, signal).catch(() => undefined);
  }

  async #afterRound(study: ProposalStudy): Promise<void> {
    try {
      for (const record of await this.#parts.afterRound(study)) await this.#record(record);
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      // the next round does it again
      this.#parts.log.warn({ error: error.message }, 'what follows a round failed');
    }
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { metrics, log } = this.#parts;
    for await (const key of this.#queue.take(signal)) {
      const outcome = await this.#attempt(key);
      this.#handedOut.delete(key);
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
      if (this.#unrecorded.length > 0) await this.#recordWaiting().catch(notWritten);
      return await this.#reconcile(key);
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
      this.#written.forget(key);
      const again = ['Conflict', 'AlreadyExists', 'NotFound'].includes(error.code) || this.#isPassing(key, error);
      return again ? retry(error) : stop(problem('ApplyRefused', error.message, key));
    }
  }

  #isPassing(key: string, { retryable, code }: ClusterError): boolean {
    const refused = code === 'Forbidden' || code === 'Unauthorized';
    return retryable || (refused && this.#queue.failures(key) < refusalsBelieved);
  }

  async #reconcile(key: string): Promise<Outcome> {
    const { view, clock } = this.#parts;
    const [namespace = '', name = ''] = key.split('/');
    const { profile, origin } = view.profileOf(namespace);
    if (view.stopped(namespace) !== undefined) return done;
    const study = (this.#study ??= this.#parts.study());
    const { proposal: known, broken } = await this.#believed(key);
    const observed = profile.mode === 'observe';
    // nothing is proposed where nanoseg only observes, but what is in force there can still be taken back
    if (observed && known?.status?.enforced === undefined) return done;
    const making = observed ? onlyObserved : study.make(key, known);
    if (making.kind === 'none' && making.joint !== undefined) this.#queue.add(making.joint);
    const proposal = await this.#withText(key, known, making, study);
    if (proposal === undefined) return done;

    const standing = this.#standing(proposal, making, study);
    const enforced = proposal.status?.enforced;
    const policies = view.networkPolicies();
    const approvals = view.approvalsOf(namespace, name);
    const judgement = this.#withoutSpent(
      approvals,
      judgeApprovals({
        namespace,
        proposal: name,
        digest: standing.digest,
        enforcedDigest: enforced?.digest,
        enforcedSinceMs: enforced && Date.parse(enforced.appliedAt),
        approvals,
        rules: profile.approvals,
        profileOrigin: origin,
        nowMs: clock.now(),
        notBefore: proposal.status?.notBefore,
        createdMs: Date.parse(proposal.metadata.creationTimestamp ?? '') || undefined,
        knownSinceMs: this.#parts.sealed.knownSinceMs(proposal, clock.now()),
        controllerUser: this.#parts.controllerUser,
        verify: (where, spec) => this.#parts.verifyStamp(where, spec),
        change: standing.change,
        attempts: standing.attempts.length,
        namespaceLabels: this.#labelsOf(namespace),
        edited: standing.author === 'edited',
      }),
    );
    const watched = this.#parts.flows.findings(key);
    const facts: ProposalFacts = {
      nowMs: clock.now(),
      proposal,
      standing,
      newer: this.#newer(standing, making, proposal),
      superseded: making.kind === 'none' && making.superseded ? making.because : undefined,
      profile,
      stopped: view.stopped(namespace),
      judgement,
      inForce: await this.#inForce(proposal, policies, standing),
      guard: this.#parts.flows.guard(key, proposal, profile.guard),
      allowedUntil: allowedUntil(proposal, policies),
      shadow: watched.shadow,
      watched: watched.inForce,
    };
    const plan = planProposal(facts);
    // what takes something back is void as soon as that was done, and is told before
    const [ending, lasting] = parted(
      approvals,
      ({ spec }) => spec.decision === 'Rollback' || spec.decision === 'Retire',
    );
    await this.#tellApprovers(ending, judgement, standing.digest);
    if (broken !== undefined) await this.#record(sealBroken(proposal, standing.digest, broken, clock.now()));
    const outcome = await this.#perform(key, facts, plan, broken);
    await this.#tellApprovers(lasting, judgement, standing.digest);
    this.#follow(key, study);
    if (proposal.spec.scope === 'Namespace') await this.#tendAllowances(key, proposal, profile, study);
    return outcome;
  }

  /**
   * The proposal as far as nanoseg itself wrote it. What somebody else wrote in its name is put right where this leader
   * knows what it was, and else is not acted on.
   */
  async #believed(key: string): Promise<Partial<CheckedProposal>> {
    const { store, sealed, clock } = this.#parts;
    const [namespace = '', name = ''] = key.split('/');
    const found = this.#written.latest(key) ?? this.#stored(namespace, name);
    const kept = this.#kept.get(key);
    if (found === undefined) {
      this.#kept.delete(key);
      return {};
    }
    if (kept === undefined || kept.uid !== found.metadata.uid || sealed.isAsKept(found, kept)) {
      const { proposal, broken } = sealed.checked(found, kept);
      return broken === undefined
        ? { proposal }
        : { proposal, broken: `what others wrote into its status was dropped at ${isoOf(clock.now())}: ${broken}` };
    }
    // the view may be late
    const live = await store.get<PolicyProposal>({ kind: 'PolicyProposal', namespace, name });
    if (live === undefined || live.metadata.uid !== kept.uid) return sealed.checked(found);
    if (sealed.isAsKept(live, kept)) return { proposal: sealed.checked(live, kept).proposal };
    const why = live.status === undefined ? 'it was gone' : (sealed.checked(live).broken ?? 'it was an earlier one');
    const broken = `its status, which others had changed, was put back at ${isoOf(clock.now())}: ${why}`;
    const written = await this.#writeStatus(key, { ...live, status: kept.status }, kept.status, broken);
    await this.#record(sealBroken(live, kept.status.digest, broken, clock.now()));
    return { proposal: sealed.checked(written, this.#kept.get(key)).proposal };
  }

  /** The proposal with the text that stands in it from now on; undefined when there is none to be. */
  async #withText(
    key: string,
    stored: PolicyProposal | undefined,
    making: Making,
    study: ProposalStudy,
  ): Promise<PolicyProposal | undefined> {
    const made = making.kind === 'made' ? making.made : undefined;
    const known = stored && { proposal: stored, digest: this.#digestOf(stored) };
    const choice = chooseText(known, made && this.#madeText(made, stored, study));
    switch (choice.kind) {
      case 'none':
        return undefined;
      case 'keep':
        return stored;
      case 'write': {
        if (made === undefined) return stored;
        this.#parts.leadership.assertHeld();
        const written = await this.#writeText(made, stored);
        this.#written.written(key, written);
        const subject = { kind: 'PolicyProposal', namespace: made.namespace, name: made.name };
        const message =
          choice.because === 'new'
            ? `proposed ${made.rules} rules for ${made.spec.workloads.join(', ') || 'the namespace'}`
            : `proposed anew: ${choice.because === 'reset' ? 'the edit was given up' : 'what was seen has changed'}`;
        await this.#record({
          timeMs: this.#parts.clock.now(),
          actor: 'nanoseg',
          action: 'Proposed',
          subject,
          digest: this.#digestOf(written),
          message,
        });
        return written;
      }
    }
  }

  #madeText(made: MadeProposal, stored: PolicyProposal | undefined, study: ProposalStudy) {
    const policies = this.#texts.read(made.spec.policies).policies ?? [];
    const standing = stored === undefined ? undefined : this.#texts.read(stored.spec.policies).policies;
    const digest = this.#digestOf({ metadata: made, spec: made.spec });
    return {
      spec: made.spec,
      digest,
      change: () => study.change({ metadata: made, spec: made.spec }, stored?.status?.enforced, digest, policies),
      ready: made.readiness.state === 'ready',
      samePolicies: standing !== undefined && canonicalPolicies(standing) === canonicalPolicies(policies),
    };
  }

  async #writeText(made: MadeProposal, stored: PolicyProposal | undefined): Promise<PolicyProposal> {
    const { store, clock } = this.#parts;
    const digest = this.#digestOf({ metadata: made, spec: made.spec });
    const marks = this.#parts.sealed.proposedMarks(made, digest);
    if (stored === undefined) {
      return store.create<PolicyProposal>({
        apiVersion: resourceApiVersion,
        kind: 'PolicyProposal',
        metadata: {
          namespace: made.namespace,
          name: made.name,
          labels: { 'app.kubernetes.io/managed-by': 'nanoseg' },
          annotations: marks,
        },
        spec: made.spec,
      });
    }
    const { metadata, status } = stored;
    const written = await store.update<PolicyProposal>({
      ...stored,
      metadata: { ...metadata, annotations: { ...metadata.annotations, ...marks } },
      spec: made.spec,
    });
    if (status === undefined || stored.spec.policies === '') return written;
    // kept with the status in memory, and stored with its next write
    const previous = {
      digest: status.digest,
      policies: stored.spec.policies,
      changedAt: new Date(clock.now()).toISOString(),
    };
    return { ...written, status: { ...status, previous } };
  }

  /** The text that stands in the proposal, as it reads and as it is proved at this moment. */
  #standing(proposal: PolicyProposal, making: Making, study: ProposalStudy): StandingText {
    const made = making.kind === 'made' ? making.made : undefined;
    const digest = this.#digestOf(proposal);
    const proposedDigest = proposal.metadata.annotations?.[proposedDigestAnnotation] ?? '';
    const reading = this.#texts.read(proposal.spec.policies);
    const own = made !== undefined && this.#digestOf({ metadata: made, spec: made.spec }) === digest;
    const policies = reading.policies ?? [];
    const proved = own || reading.problems ? undefined : study.prove(proposal, policies);
    const { evidence } = proposal.spec;
    return {
      digest,
      author: digest === proposedDigest ? 'nanoseg' : 'edited',
      proposedDigest,
      change: study.change(proposal, proposal.status?.enforced, digest, policies),
      rules: policies.reduce((sum, { spec }) => sum + (spec.ingress?.length ?? 0) + (spec.egress?.length ?? 0), 0),
      readiness: made?.readiness ?? {
        state: 'learning',
        coverage: 'unknown',
        missing: [{ code: 'no-evidence', message: making.kind === 'none' ? making.because : 'nothing was seen' }],
      },
      proof: proved?.proof ?? (own ? made.proof : unreadable(reading.problems ?? [])),
      baseline: proved === undefined ? evidence : evidence.filter((id) => !proved.denied.has(id)),
      heldBack: made?.heldBack ?? noItems,
      omissions: made?.omissions ?? noItems,
      attempts: own ? made.attempts : [],
      notes: made?.notes ?? [],
    };
  }

  #newer(standing: StandingText, making: Making, proposal: PolicyProposal): ProposalFacts['newer'] {
    if (standing.author !== 'edited' || making.kind !== 'made') return undefined;
    const { made } = making;
    const digest = this.#digestOf({ metadata: made, spec: made.spec });
    const former = proposal.status?.newer;
    return former?.digest === digest ? former : { digest, policies: made.spec.policies };
  }

  /** By the view, which may be late: before it becomes news, what looks wrong is looked up. */
  async #inForce(
    proposal: PolicyProposal,
    policies: readonly NetworkPolicy[],
    standing: StandingText,
  ): Promise<InForce> {
    const seen = this.#inForceBy(proposal, policies, standing);
    const known = proposal.status?.drift?.message;
    const isNews = seen.adopted !== undefined || (seen.drift !== undefined && seen.drift.message !== known);
    if (!isNews) return seen;
    const stored = await this.#parts.store.list<NetworkPolicy>('NetworkPolicy', proposal.metadata.namespace);
    return this.#inForceBy(proposal, stored, standing);
  }

  #inForceBy(proposal: PolicyProposal, policies: readonly NetworkPolicy[], standing: StandingText): InForce {
    const { namespace, name } = proposal.metadata;
    const { enforced, applying } = proposal.status ?? {};
    const writer = this.#writer(`${namespace}/${name}`);
    const known = enforced !== undefined || applying !== undefined || proposal.status?.state === 'RolledBack';
    const found = known ? {} : this.#foundInForce({ namespace, name }, policies);
    const drift =
      enforced &&
      (driftOf(enforced, { namespace, name }, policies, writer)[0] ?? this.#unsealed({ namespace, name }, policies));
    // the baseline is lost with a status, but known again for the very text that stands there
    const baseline = found.adopted?.digest === standing.digest ? standing.baseline : [];
    return {
      drift: drift ?? found.forged,
      applyingDone:
        applying?.kind === 'Apply' &&
        policies.some((policy) => policy.metadata.namespace === namespace && belongsTo(policy, name)) &&
        driftOf(applying.target, { namespace, name }, policies, writer).length === 0,
      adopted: found.adopted && { ...found.adopted, baseline },
    };
  }

  /** What policies that are marked as those of a proposal prove: that it was approved, or that somebody else wrote them. */
  #foundInForce(
    proposal: { readonly namespace: string; readonly name: string },
    policies: readonly NetworkPolicy[],
  ): {
    readonly adopted?: Revision | undefined;
    readonly forged?: { readonly policy: string; readonly message: string };
  } {
    const unsealed = this.#unsealed(proposal, policies);
    if (unsealed !== undefined) {
      const message = `${unsealed.message}; nobody is known to have approved it as it is: approve the proposal to have it replaced, or delete it`;
      return { forged: { ...unsealed, message } };
    }
    const { clock } = this.#parts;
    return { adopted: adoptedRevision(proposal, policies, clock.now(), (all) => renderYamlDocuments(all)) };
  }

  /** A policy that says whose it is, without proof: marks that somebody changed, or a seal of keys that are lost. */
  #unsealed(
    proposal: { readonly namespace: string; readonly name: string },
    policies: readonly NetworkPolicy[],
  ): { readonly policy: string; readonly message: string } | undefined {
    for (const policy of policies) {
      if (policy.metadata.namespace !== proposal.namespace || !belongsTo(policy, proposal.name)) continue;
      const fault = this.#parts.sealed.policyFault(proposal, policy);
      if (fault === undefined) continue;
      const { name } = policy.metadata;
      return { policy: name, message: `NetworkPolicy ${name} does not prove that it was approved: ${fault}` };
    }
    return undefined;
  }

  async #perform(key: string, facts: ProposalFacts, plan: ProposalPlan, broken?: string): Promise<Outcome> {
    const { leadership, metrics, clock, sealed } = this.#parts;
    const { operation, before, repair, records } = plan;
    let { proposal } = facts;
    const target = operation?.target ?? repair;
    const { namespace, name } = proposal.metadata;
    // what will be refused is not begun
    const change = target && (await tryPolicies(target, { namespace, name }, this.#writer(key)));
    if (change !== undefined && 'code' in change) return this.#refused(key, facts, plan, change);
    for (const record of plan.decided) await this.#record(record);
    if (before !== undefined) proposal = await this.#writeStatus(key, proposal, before, broken);
    if (change !== undefined) {
      if (operation?.kind === 'Apply') this.#parts.flows.beforeApply(key);
      const refused = await putInForce(change, this.#writer(key));
      if (refused) return this.#refused(key, { ...facts, proposal }, plan, refused);
      if (operation?.kind === 'Apply')
        metrics.approvedToStored(Math.max(0, clock.now() - approvedAtMs(facts.judgement, clock.now())) / 1000);
    }
    await this.#record(...records);
    const figuresDue = clock.now() - (this.#figuresAt.get(key) ?? Number.NEGATIVE_INFINITY) >= this.#options.figuresMs;
    const status = sealed.sealed(proposal, plan.status, clock.now(), broken);
    const changed = significant(status) !== significant(proposal.status);
    if (changed || target !== undefined || (figuresDue && JSON.stringify(status) !== JSON.stringify(proposal.status))) {
      leadership.assertHeld();
      await this.#writeStatus(key, proposal, status, broken);
    }
    this.#statuses.set(key, status);
    const untilMs = facts.judgement.untilMs;
    const waits = [plan.againMs, untilMs === undefined ? undefined : Math.max(0, untilMs - clock.now())].filter(
      (ms) => ms !== undefined,
    );
    return waits.length === 0 ? done : after(Math.min(...waits) + 1);
  }

  /** The refusal stands in the status until it is another one, or none. */
  async #refused(key: string, facts: ProposalFacts, { before }: ProposalPlan, refused: Problem): Promise<Outcome> {
    const { proposal, nowMs, standing } = facts;
    const { namespace, name } = proposal.metadata;
    const message = `${refused.message} (${refused.code}, ${refused.where})`;
    const said = before ?? proposal.status;
    if (said !== undefined && proposal.status?.message !== message) {
      const { applying: _, ...rest } = said;
      await this.#record({
        timeMs: nowMs,
        actor: 'nanoseg',
        action: 'ApplyFailed',
        subject: { kind: 'PolicyProposal', namespace, name },
        digest: standing.digest,
        message,
      });
      await this.#writeStatus(key, proposal, { ...rest, message });
    }
    return stop(refused);
  }

  async #writeStatus(
    key: string,
    proposal: PolicyProposal,
    said: ProposalStatus,
    broken?: string,
  ): Promise<PolicyProposal> {
    const { leadership, store, sealed, clock } = this.#parts;
    const status = sealed.sealed(proposal, said, clock.now(), broken);
    leadership.assertHeld();
    const written = await store.updateStatus<PolicyProposal>({ ...proposal, status });
    this.#written.written(key, written);
    this.#kept.set(key, { uid: written.metadata.uid, status });
    this.#figuresAt.set(key, this.#parts.clock.now());
    return written;
  }

  /** What was done stays to be recorded until it is, so that an audit log that cannot be written loses nothing. */
  async #record(...records: readonly AuditRecord[]): Promise<void> {
    if (records.length === 0) return;
    const known = new Set(this.#unrecorded.map(wordsOf));
    this.#unrecorded.push(...records.filter((record) => !known.has(wordsOf(record))));
    await this.#recordWaiting();
  }

  async #recordWaiting(): Promise<void> {
    // one after the other, whoever asks
    this.#recording = this.#recording.catch(() => undefined).then(() => this.#appendWaiting());
    await this.#recording;
  }

  async #appendWaiting(): Promise<void> {
    const { audit, notifier, events, metrics, log } = this.#parts;
    const waiting = [...this.#unrecorded];
    // the log writes in one go what comes at once, in its order
    await Promise.all(waiting.map((record) => audit.append(record)));
    for (const record of this.#unrecorded.splice(0, waiting.length)) {
      const { actor, action, subject, digest, message: reason } = record;
      const key = `${subject.namespace}/${subject.name}`;
      log[alarming.has(action) ? 'warn' : 'info']({ key, action, actor, digest, reason }, 'recorded');
      notifier.notify(record);
      metrics.happened(action);
      events.record(subject, alarming.has(action) ? 'Warning' : 'Normal', action, reason);
    }
  }

  async #tendAllowances(key: string, proposal: PolicyProposal, profile: Profile, study: ProposalStudy): Promise<void> {
    const { view, store, leadership, clock, sealed } = this.#parts;
    const { namespace } = proposal.metadata;
    const enforced = view
      .proposals()
      .map((stored) => sealed.checked(stored).proposal)
      .filter(({ metadata, status }) => metadata.namespace === namespace && status?.enforced !== undefined);
    const isolated = new Set(enforced.flatMap((each) => study.workloadsOf(each)));
    const records = await tendAllowances({
      closing: this.#written.latest(key) ?? proposal,
      profile,
      naming: study.analyst.study.naming,
      isProtected: (workload) => isolated.has(workload),
      policies: view.networkPolicies(),
      store,
      assertMayWrite: () => leadership.assertHeld(),
      nowMs: clock.now(),
    });
    await this.#record(...records);
  }

  /** A rollback or retirement that was carried out counts for nothing any more, and that is nobody's mistake. */
  #withoutSpent(approvals: readonly PolicyApproval[], judgement: ApprovalJudgement): ApprovalJudgement {
    const spent = new Set(
      approvals
        .filter(({ metadata, spec, status }) => {
          const counted = status?.counted === true || this.#counted.has(metadata.uid ?? '');
          return counted && (spec.decision === 'Rollback' || spec.decision === 'Retire');
        })
        .map(({ metadata }) => metadata.name),
    );
    return { ...judgement, ignored: judgement.ignored.filter(({ approval }) => !spent.has(approval)) };
  }

  /** Each approval says of itself whether it counted, and why not. */
  async #tellApprovers(
    approvals: readonly PolicyApproval[],
    judgement: ApprovalJudgement,
    digest: string,
  ): Promise<void> {
    for (const approval of approvals) {
      const ignored = judgement.ignored.find((one) => one.approval === approval.metadata.name);
      const counted = ignored === undefined;
      const claim = approval.spec.stamp === undefined ? ', by a claim that nobody checked' : '';
      const message = ignored?.because ?? `counted as a decision about ${digest}${claim}`;
      if (approval.status?.counted === counted && (counted || approval.status.message === message)) continue;
      // what has counted once stays so, because it was acted upon; unless it says something else by now
      if (ignored?.forged === true) this.#counted.delete(approval.metadata.uid ?? '');
      else if (approval.status?.counted === true || this.#counted.has(approval.metadata.uid ?? '')) continue;
      if (counted) this.#counted.add(approval.metadata.uid ?? '');
      this.#parts.leadership.assertHeld();
      await this.#parts.store.updateStatus<PolicyApproval>({ ...approval, status: { counted, message } });
    }
  }

  /** Has live flows judged against what stands in the proposal and what is in force. */
  #follow(key: string, study: ProposalStudy): void {
    const [namespace = '', name = ''] = key.split('/');
    const stored = this.#stored(namespace, name);
    const proposal = this.#written.latest(key) ?? (stored && this.#parts.sealed.checked(stored).proposal);
    if (proposal === undefined) {
      this.#parts.flows.forget(key);
      this.#statuses.delete(key);
    } else this.#parts.flows.follow(key, proposal, study.workloadsOf(proposal));
  }

  #stored(namespace: string, name: string): PolicyProposal | undefined {
    return this.#parts.view.proposal(namespace, name);
  }

  #labelsOf(namespace: string): Labels {
    return this.#parts.view.cluster().namespaces.get(namespace)?.labels ?? {};
  }

  #digestOf({
    metadata,
    spec,
  }: {
    readonly metadata: { readonly namespace: string; readonly name: string };
    readonly spec: PolicyProposal['spec'];
  }): string {
    const { policies } = this.#texts.read(spec.policies);
    return proposalDigest(metadata, spec, policies ? canonicalPolicies(policies) : spec.policies, this.#parts.hash);
  }

  #writer(key: string): PolicyWriter {
    const { store, leadership, sealed } = this.#parts;
    return {
      store,
      assertMayWrite: () => leadership.assertHeld(),
      isPassing: (error) => this.#isPassing(key, error),
      read: (text) => {
        const { policies, problems } = this.#texts.read(text);
        if (policies === undefined)
          throw new ClusterError('Invalid', problems.map(({ message }) => message).join('; '));
        return policies;
      },
      same: (stored, wanted) => samePolicySpec(stored.spec, wanted.spec),
      seal: sealed.policySeal,
    };
  }
}

const alarming: ReadonlySet<string> = new Set([
  'ApplyFailed',
  'DriftFound',
  'RolledBack',
  'Deviation',
  'NotEnforced',
  'SealBroken',
  'Retired',
]);

function parted<Item>(items: readonly Item[], holds: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(holds), items.filter((item) => !holds(item))];
}

function countStates(statuses: Iterable<ProposalStatus>): Map<ProposalState, number> {
  const counts = new Map<ProposalState, number>();
  for (const { state } of statuses) counts.set(state, (counts.get(state) ?? 0) + 1);
  return counts;
}

/** All but when: a record that waits is not added again by the next attempt. */
function wordsOf({ actor, action, subject, digest, message }: AuditRecord): string {
  return JSON.stringify([actor, action, subject, digest, message]);
}

/** What cannot be recorded now is recorded later; nothing has to wait for it. */
function notWritten(error: unknown): void {
  if (!(error instanceof ClusterError)) throw error;
}

function sealBroken({ metadata }: PolicyProposal, digest: string, message: string, timeMs: number): AuditRecord {
  const subject = { kind: 'PolicyProposal', namespace: metadata.namespace, name: metadata.name };
  return { timeMs, actor: 'nanoseg', action: 'SealBroken', subject, digest, message };
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}

function approvedAtMs(judgement: ApprovalJudgement, nowMs: number): number {
  return Math.max(...judgement.given.map(({ time }) => Date.parse(time)), 0) || nowMs;
}

function unreadable(problems: readonly Problem[]): ProposalProof {
  const message = problems.map(({ message: words, where }) => `${where}: ${words}`).join('; ');
  const checks = [{ name: 'read-back', passed: false, message }];
  return { valid: false, checks, overGrants: [], wouldDeny: noItems, reachableBefore: 0, reachableAfter: 0 };
}
