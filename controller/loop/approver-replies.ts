import type { PolicyApproval } from '../model/policy-approval.ts';
import type { PolicyProposal } from '../model/policy-proposal.ts';
import type { Leadership, ObjectStore } from '../ports.ts';
import type { ApprovalJudgement } from '../reconcile/judge-approval.ts';

/** What approvals are told about themselves, and which of them were acted upon. */
export class ApproverReplies {
  readonly #store: ObjectStore;
  readonly #assertMayWrite: () => void;
  /** Approvals that counted, by uid: the view may not know yet. */
  readonly #counted = new Set<string>();

  constructor(store: ObjectStore, leadership: Pick<Leadership, 'assertHeld'>) {
    this.#store = store;
    this.#assertMayWrite = () => leadership.assertHeld();
  }

  /** A decision that was carried out counts for nothing any more, and that is nobody's mistake. */
  withoutSpent(
    { status: known }: PolicyProposal,
    approvals: readonly PolicyApproval[],
    judgement: ApprovalJudgement,
  ): ApprovalJudgement {
    const applied = new Set([known?.enforced, ...(known?.revisions ?? [])].map((revision) => revision?.digest));
    const spent = new Set(
      approvals
        .filter(({ metadata, spec, status }) => {
          const counted = status?.counted === true || this.#counted.has(metadata.uid ?? '');
          return counted && (spec.decision === 'Rollback' || spec.decision === 'Retire' || applied.has(spec.digest));
        })
        .map(({ metadata }) => metadata.name),
    );
    return { ...judgement, ignored: judgement.ignored.filter(({ approval }) => !spent.has(approval)) };
  }

  /** Each approval says of itself whether it counted, and why not. */
  async tell(approvals: readonly PolicyApproval[], judgement: ApprovalJudgement, digest: string): Promise<void> {
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
      this.#assertMayWrite();
      await this.#store.updateStatus<PolicyApproval>({ ...approval, status: { counted, message } });
    }
  }
}
