import type { DecisionAnswer, ProposalDetail } from '../../../../view/proposal-shape.ts';
import { ApiFailure } from '../client/api-client.ts';
import { el, fill } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import { printable } from '../printable.ts';
import { facts, section, wordList } from './section.ts';

/** Asks once more before a decision is made, saying what it is about, and then what became of it. */
export class DecideDialog {
  readonly element = el('dialog', { class: 'dialog', 'aria-labelledby': 'decide-title' });
  readonly #control: PageControl;

  constructor(control: PageControl) {
    this.#control = control;
  }

  open(proposal: ProposalDetail, decision: 'approve' | 'reject'): void {
    const isApproval = decision === 'approve';
    const isLearning = isApproval && proposal.state === 'Learning';
    const reason = el('textarea', { id: 'decide-reason', rows: 2, maxlength: 1000 });
    const known = el('input', { type: 'checkbox', id: 'decide-learning' });
    const expires = el('input', { type: 'datetime-local', id: 'decide-expires' });
    const outcome = el('div', { class: 'outcome', role: 'status' });
    const confirm = el(
      'button',
      { type: 'submit', class: `button ${isApproval ? 'primary' : 'danger'}` },
      isApproval ? 'Approve this digest' : 'Reject this digest',
    );
    const cancel = el('button', { type: 'button', class: 'button', onclick: () => this.element.close() }, 'Cancel');
    if (isLearning) {
      confirm.disabled = true;
      known.addEventListener('change', () => {
        confirm.disabled = !known.checked;
      });
    }
    const send = async () => {
      confirm.disabled = true;
      fill(outcome, el('p', {}, 'Deciding…'));
      const expiresAt = isoOf(expires.value);
      const result = await this.#decide(proposal, decision, {
        digest: proposal.digest,
        ...(reason.value.trim() !== '' && { reason: reason.value.trim() }),
        ...(expiresAt !== undefined && { expiresAt }),
        ...(isLearning && { learning: true }),
      });
      fill(
        outcome,
        el(
          'p',
          { class: `result is-${result.kind}` },
          el('strong', {}, `${resultWords[result.kind]} `),
          printable(result.message),
        ),
      );
      if (result.kind === 'failed') confirm.disabled = false;
      else {
        confirm.hidden = true;
        cancel.textContent = 'Close';
        cancel.focus();
      }
    };
    const form = el(
      'form',
      {
        onsubmit: (event: Event) => {
          event.preventDefault();
          void send();
        },
      },
      el('h2', { id: 'decide-title' }, `${isApproval ? 'Approve' : 'Reject'} ${printable(proposal.title)}`),
      el(
        'div',
        { class: 'dialog-body' },
        ...whatIsDecided(proposal, isApproval),
        isLearning &&
          el(
            'label',
            { class: 'check' },
            known,
            `I know that not enough was seen: ${printable(proposal.missing.map(({ message }) => message).join('; '))}`,
          ),
        el('label', { class: 'stacked' }, 'Reason, for the audit log', reason),
        isApproval &&
          el(
            'details',
            { id: 'decide-more' },
            el('summary', {}, 'Let the approval expire'),
            el('label', { class: 'stacked' }, 'Counts until (UTC)', expires),
          ),
        outcome,
      ),
      el('div', { class: 'dialog-buttons' }, cancel, confirm),
    );
    fill(this.element, form);
    this.element.showModal();
    reason.focus();
  }

  async #decide(
    proposal: ProposalDetail,
    decision: 'approve' | 'reject',
    input: Parameters<PageControl['decide']>[2],
  ): Promise<{ readonly kind: DecisionAnswer['result'] | 'failed'; readonly message: string }> {
    try {
      const { result, message } = await this.#control.decide(proposal, decision, input);
      return { kind: result, message };
    } catch (error) {
      if (!(error instanceof ApiFailure)) throw error;
      return { kind: 'failed', message: error.message };
    }
  }
}

const resultWords: Readonly<Record<DecisionAnswer['result'] | 'failed', string>> = {
  done: 'Done:',
  counted: 'Recorded:',
  ignored: 'Counts for nothing:',
  unanswered: 'Not answered yet:',
  failed: 'Nothing was decided:',
};

function whatIsDecided(proposal: ProposalDetail, isApproval: boolean): (HTMLElement | undefined)[] {
  const { namespace, workloads, digest, rules, closes, effect, wouldDeny, heldBackInWords, warnings, approvals } =
    proposal;
  const about =
    workloads.length === 0
      ? `all pods of namespace ${namespace} that no other policy selects`
      : workloads.map((workload) => `${namespace}/${workload}`).join(', ');
  return [
    facts([
      ['Digest', el('code', { class: 'digest' }, digest)],
      ['Pods concerned', workloads.length === 0 ? about : `all pods of ${about}`],
      ['Rules', `${rules}`],
      isApproval ? ['Closes', closes] : undefined,
      isApproval
        ? [
            'Would deny',
            `${wouldDeny.count} of what was seen${heldBackInWords.count > 0 ? ` (${heldBackInWords.count} held back)` : ''}`,
          ]
        : undefined,
      isApproval ? ['Approvals', `${approvals.given} of ${approvals.required} given before yours`] : undefined,
    ]),
    ...(isApproval ? warnings.map((warning) => el('p', { class: 'warning' }, printable(warning))) : []),
    isApproval ? section(`Opens (${effect.opens.length})`, wordList('decide-opens', effect.opens)) : undefined,
  ];
}

function isoOf(local: string): string | undefined {
  const time = new Date(`${local}Z`);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
