import { isDeepStrictEqual } from 'node:util';
import type { ControllerMetrics } from '../adapters/prometheus/metrics.ts';
import { ApproverReplies } from './approver-replies.ts';
import type { FlowWatch } from './flow-watch.ts';
import { allowedUntil, tendAllowances } from './learning-allowances.ts';
import type { ClusterError } from '../model/cluster-error.ts';
import type { Labels } from '../model/label-selector.ts';
import type { ApprovalSpec } from '../model/policy-approval.ts';
import type { PolicyProposal, ProposalStatus } from '../model/policy-proposal.ts';
import type { Problem } from '../model/problem.ts';
import type { Profile } from '../model/profile.ts';
import { PoliciesInForce } from './policies-in-force.ts';
import { defaultDenyName } from '../policy/policy-names.ts';
import { samePolicySpec } from '../policy/canonical-policy.ts';
import type { Making, ProposalStudy } from './proposal-study.ts';
import { ProposalTexts } from './proposal-texts.ts';
import { ProposalWrites, sealBroken, type WriteParts } from './proposal-writes.ts';
import { type PolicyWriter, putInForce, tryPolicies } from '../reconcile/apply-policies.ts';
import type { HashText } from '../reconcile/digest.ts';
import { type ApprovalJudgement, judgeApprovals } from '../reconcile/judge-approval.ts';
import { after, done, type Outcome, stop } from '../reconcile/outcome.ts';
import { planProposal, type ProposalPlan } from '../reconcile/plan-proposal.ts';
import type { ProposalFacts } from '../reconcile/proposal-facts.ts';
import { significant } from '../reconcile/significant.ts';

export interface ReconcilerParts extends Omit<WriteParts, 'texts'> {
  readonly hash: HashText;
  readonly metrics: ControllerMetrics;
  readonly flows: FlowWatch;
  /** `valid`, or why a stamp is worth nothing. */
  readonly verifyStamp: (namespace: string, spec: ApprovalSpec) => string;
  /** Whose decisions never count. */
  readonly controllerUser: string | undefined;
  /** Least time between two writes of figures that move with every flow, in ms. */
  readonly figuresMs: number;
  /** What was seen of one key concerns another. */
  readonly alsoLookAt: (key: string) => void;
  /** Whether a request about a key that failed may succeed later by itself. */
  readonly isPassing: (key: string, error: ClusterError) => boolean;
}

const onlyObserved: Making = { kind: 'none', because: 'nanoseg only observes the namespace', superseded: false };

/** Reads the facts of one proposal, has them planned purely, and performs the plan. */
export class ProposalReconciler {
  /** As written last, by key. */
  readonly statuses = new Map<string, ProposalStatus>();
  readonly #parts: ReconcilerParts;
  readonly #texts: ProposalTexts;
  readonly #writes: ProposalWrites;
  readonly #replies: ApproverReplies;
  readonly #inForce: PoliciesInForce;

  constructor(parts: ReconcilerParts) {
    const { store, clock, sealed, leadership } = parts;
    this.#parts = parts;
    this.#texts = new ProposalTexts(parts.hash);
    this.#writes = new ProposalWrites({ ...parts, texts: this.#texts });
    this.#replies = new ApproverReplies(store, leadership);
    this.#inForce = new PoliciesInForce({ store, clock, sealed, reading: this.#reading() });
  }

  /** The view has something new of this key. */
  noticed(key: string): void {
    this.#writes.noticed(key);
  }

  /** After a failure the next look is at what the view has. */
  failed(key: string): void {
    this.#writes.forget(key);
  }

  async reconcile(key: string, study: ProposalStudy): Promise<Outcome> {
    const { view, clock } = this.#parts;
    const [namespace = '', name = ''] = key.split('/');
    const { profile, origin } = view.profileOf(namespace);
    if (view.stopped(namespace) !== undefined) return done;
    const { proposal: known, broken } = await this.#writes.believed(key);
    const observed = profile.mode === 'observe';
    // nothing is proposed where nanoseg only observes, but what is in force there can still be taken back
    if (observed && known?.status?.enforced === undefined) return done;
    const making = observed ? onlyObserved : study.make(key, known);
    if (making.kind === 'none' && making.joint !== undefined) this.#parts.alsoLookAt(making.joint);
    const proposal = await this.#writes.withText(key, known, making, study);
    if (proposal === undefined) return done;

    const standing = this.#texts.standing(proposal, making, study);
    const enforced = proposal.status?.enforced;
    const policies = view.networkPolicies();
    const approvals = view.approvalsOf(namespace, name);
    const judgement = this.#replies.withoutSpent(
      proposal,
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
        // the cluster as it is now is dear while pods come and go, and only these rules ask
        namespaceLabels: profile.approvals.automatic.length > 0 ? this.#labelsOf(namespace) : {},
        edited: standing.author === 'edited',
      }),
    );
    const watched = this.#parts.flows.findings(key);
    const facts: ProposalFacts = {
      nowMs: clock.now(),
      proposal,
      standing,
      newer: this.#texts.newer(standing, making, proposal),
      superseded: making.kind === 'none' && making.superseded ? making.because : undefined,
      profile,
      stopped: view.stopped(namespace),
      judgement,
      inForce: await this.#inForce.of(proposal, policies, standing),
      guard: this.#parts.flows.guard(key, proposal, profile.guard),
      closed: policies.some(({ metadata }) => metadata.namespace === namespace && metadata.name === defaultDenyName),
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
    await this.#replies.tell(ending, judgement, standing.digest);
    if (broken !== undefined)
      await this.#parts.records.record(sealBroken(proposal, standing.digest, broken, clock.now()));
    const outcome = await this.#perform(key, facts, plan, broken);
    await this.#replies.tell(lasting, judgement, standing.digest);
    this.#follow(key, study);
    if (proposal.spec.scope === 'Namespace') await this.#tendAllowances(key, proposal, profile, study);
    return outcome;
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
    for (const record of plan.decided) await this.#parts.records.record(record);
    if (before !== undefined) proposal = await this.#writes.writeStatus(key, proposal, before, broken);
    if (change !== undefined) {
      if (operation?.kind === 'Apply') this.#parts.flows.beforeApply(key);
      const refused = await putInForce(change, this.#writer(key));
      if (refused) return this.#refused(key, { ...facts, proposal }, plan, refused);
      if (operation?.kind === 'Apply')
        metrics.approvedToStored(Math.max(0, clock.now() - approvedAtMs(facts.judgement, clock.now())) / 1000);
    }
    await this.#parts.records.record(...records);
    const figuresDue =
      clock.now() - (this.#writes.writtenAtMs(key) ?? Number.NEGATIVE_INFINITY) >= this.#parts.figuresMs;
    const status = sealed.sealed(proposal, plan.status, clock.now(), broken);
    const changed = significant(status) !== significant(proposal.status);
    if (changed || target !== undefined || (figuresDue && !isDeepStrictEqual(status, proposal.status))) {
      leadership.assertHeld();
      await this.#writes.writeStatus(key, proposal, status, broken);
    }
    this.statuses.set(key, status);
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
      await this.#parts.records.record({
        timeMs: nowMs,
        actor: 'nanoseg',
        action: 'ApplyFailed',
        subject: { kind: 'PolicyProposal', namespace, name },
        digest: standing.digest,
        message,
      });
      await this.#writes.writeStatus(key, proposal, { ...rest, message });
    }
    return stop(refused);
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
      closing: this.#writes.latest(key) ?? proposal,
      profile,
      naming: study.cluster.naming,
      isProtected: (workload) => isolated.has(workload),
      policies: view.networkPolicies(),
      store,
      assertMayWrite: () => leadership.assertHeld(),
      nowMs: clock.now(),
    });
    await this.#parts.records.record(...records);
  }

  /** Has live flows judged against what stands in the proposal and what is in force. */
  #follow(key: string, study: ProposalStudy): void {
    const [namespace = '', name = ''] = key.split('/');
    const stored = this.#writes.stored(namespace, name);
    const proposal = this.#writes.latest(key) ?? (stored && this.#parts.sealed.checked(stored).proposal);
    if (proposal === undefined) {
      this.#parts.flows.forget(key);
      this.statuses.delete(key);
    } else this.#parts.flows.follow(key, proposal, study.workloadsOf(proposal));
  }

  #labelsOf(namespace: string): Labels {
    return this.#parts.view.cluster().namespaces.get(namespace)?.labels ?? {};
  }

  #writer(key: string): PolicyWriter {
    const { store, leadership, sealed } = this.#parts;
    return {
      store,
      assertMayWrite: () => leadership.assertHeld(),
      isPassing: (error) => this.#parts.isPassing(key, error),
      read: (text) => this.#texts.policies(text),
      same: (stored, wanted) => samePolicySpec(stored.spec, wanted.spec),
      seal: sealed.policySeal,
    };
  }

  #reading(): Pick<PolicyWriter, 'read' | 'same'> {
    return {
      read: (text) => this.#texts.policies(text),
      same: (stored, wanted) => samePolicySpec(stored.spec, wanted.spec),
    };
  }
}

function parted<Item>(items: readonly Item[], holds: (item: Item) => boolean): [Item[], Item[]] {
  return [items.filter(holds), items.filter((item) => !holds(item))];
}

function approvedAtMs(judgement: ApprovalJudgement, nowMs: number): number {
  return Math.max(...judgement.given.map(({ time }) => Date.parse(time)), 0) || nowMs;
}
