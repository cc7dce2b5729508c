import type { DecisionAnswer, DecisionInput, DecisionPath, ProposalDetail } from '../../../../view/proposal-shape.ts';
import { failureOf } from '../client/api-client.ts';
import { isCutOff } from '../client/live-updates.ts';
import { el, fill } from '../dom.ts';
import type { PageState } from '../page-state.ts';
import { printable } from '../printable.ts';
import type { ProposalReading } from '../proposal-reading.ts';
import { type DecisionQuestion, decisionTitles, proposedQuestion, takingBackQuestion } from './decision-question.ts';

type Outcome = { readonly kind: DecisionAnswer['result'] | 'failed'; readonly message: string };

/** Asks once more before a decision is made, saying what it is about, and then what became of it. */
export class DecideDialog {
  readonly element = el('dialog', { class: 'dialog', 'aria-labelledby': 'decide-title' });
  readonly #state: PageState;
  readonly #proposals: ProposalReading;
  #reconsider: () => void = () => undefined;
  #turn = 0;

  constructor(state: PageState, proposals: ProposalReading) {
    this.#state = state;
    this.#proposals = proposals;
    state.watch(['live'], () => this.#reconsider());
    this.element.addEventListener('close', () => {
      this.#reconsider = () => undefined;
    });
  }

  open(proposal: ProposalDetail, path: DecisionPath): void {
    const turn = ++this.#turn;
    const cancel = this.#button('Cancel');
    if (path === 'approve' || path === 'reject') {
      this.#ask(proposal, path, proposedQuestion(proposal, path));
    } else {
      this.#show(proposal, path, [el('p', { class: 'quiet' }, 'Reading what that would change…')], [cancel]);
      void this.#takeBack(proposal, path, turn);
    }
    if (!this.element.open) this.element.showModal();
    this.#begin(cancel);
  }

  async #takeBack(proposal: ProposalDetail, path: 'rollback' | 'retire', turn: number): Promise<void> {
    const isWanted = () => turn === this.#turn && this.element.open;
    try {
      const found = await this.#proposals.takingBack(proposal, path);
      if (!isWanted()) return;
      this.#ask(proposal, path, takingBackQuestion(proposal, found));
      this.#begin();
    } catch (error) {
      const { message } = failureOf(error);
      if (!isWanted()) return;
      const again = this.#button('Try again', () => this.open(proposal, path));
      this.#show(proposal, path, [outcomeLine({ kind: 'failed', message })], [this.#button('Close'), again]);
      again.focus();
    }
  }

  #ask(proposal: ProposalDetail, path: DecisionPath, question: DecisionQuestion): void {
    const reason = el('textarea', { id: 'decide-reason', rows: 2, maxlength: 1000 });
    const known = el('input', { type: 'checkbox', id: 'decide-known' });
    const expires = el('input', { type: 'datetime-local', id: 'decide-expires' });
    const outcome = el('div', { class: 'outcome', role: 'status' });
    const kind = path === 'approve' ? 'primary' : 'danger';
    const confirm = el('button', { type: 'submit', class: `button ${kind}` }, question.confirm);
    const cancel = this.#button('Cancel');
    let isSent = false;
    const reconsider = () => {
      const cutOff = isCutOff(this.#state.now.live) ? 'Nothing can be decided until nanoseg answers again.' : undefined;
      const mustTick = question.mustKnow !== undefined && !known.checked;
      confirm.disabled = isSent || cutOff !== undefined || question.impossible !== undefined || mustTick;
      if (isSent) return;
      fill(outcome, cutOff !== undefined && el('p', { class: 'warning' }, cutOff));
    };
    this.#reconsider = reconsider;
    known.addEventListener('change', reconsider);
    const send = async () => {
      isSent = true;
      reconsider();
      fill(outcome, el('p', {}, 'Deciding…'));
      const expiresAt = isoOf(expires.value);
      const result = await this.#decide(proposal, path, {
        ...question.input,
        ...(reason.value.trim() !== '' && { reason: reason.value.trim() }),
        ...(expiresAt !== undefined && { expiresAt }),
      });
      if (result.kind === 'failed') {
        isSent = false;
        reconsider();
      } else {
        confirm.hidden = true;
        cancel.textContent = 'Close';
        cancel.focus();
      }
      fill(outcome, outcomeLine(result));
      outcome.scrollIntoView({ block: 'nearest' });
    };
    const content = [
      ...question.about,
      question.impossible !== undefined && el('p', { class: 'warning' }, printable(question.impossible)),
      question.mustKnow !== undefined && el('label', { class: 'check' }, known, printable(question.mustKnow)),
      el('label', { class: 'stacked' }, 'Reason, for the audit log', reason),
      path === 'approve' &&
        el(
          'details',
          { id: 'decide-more' },
          el('summary', {}, 'Let the approval expire'),
          el('label', { class: 'stacked' }, 'Counts until (UTC)', expires),
        ),
      outcome,
    ];
    this.#show(proposal, path, content, [cancel, confirm], () => void send());
    reconsider();
  }

  #show(
    { title }: ProposalDetail,
    path: DecisionPath,
    content: readonly (HTMLElement | undefined | false)[],
    buttons: readonly HTMLElement[],
    send: () => void = () => undefined,
  ): void {
    const onsubmit = (event: Event) => {
      event.preventDefault();
      send();
    };
    const heading = el('h2', { id: 'decide-title' }, `${decisionTitles[path]} ${printable(title)}`);
    const body = el(
      'div',
      { class: 'dialog-body', tabindex: 0, role: 'region', 'aria-labelledby': 'decide-title' },
      ...content,
    );
    fill(this.element, el('form', { onsubmit }, heading, body, el('div', { class: 'dialog-buttons' }, ...buttons)));
  }

  /** What fits is answered at once; what does not is read from its beginning. */
  #begin(otherwise?: HTMLElement): void {
    const body = this.element.querySelector<HTMLElement>('.dialog-body');
    const isLong = body !== null && body.scrollHeight > body.clientHeight;
    (isLong ? body : (this.element.querySelector<HTMLElement>('textarea') ?? otherwise))?.focus();
  }

  #button(title: string, onclick = () => this.element.close()): HTMLButtonElement {
    return el('button', { type: 'button', class: 'button', onclick }, title);
  }

  async #decide(proposal: ProposalDetail, path: DecisionPath, input: DecisionInput): Promise<Outcome> {
    try {
      const { result, message } = await this.#proposals.decide(proposal, path, input);
      return { kind: result, message };
    } catch (error) {
      return { kind: 'failed', message: failureOf(error).message };
    }
  }
}

const resultWords: Readonly<Record<Outcome['kind'], string>> = {
  done: 'Done:',
  counted: 'Recorded:',
  ignored: 'Counts for nothing:',
  unanswered: 'Not answered yet:',
  failed: 'Nothing was decided:',
};

function outcomeLine({ kind, message }: Outcome): HTMLElement {
  return el('p', { class: `result is-${kind}` }, el('strong', {}, `${resultWords[kind]} `), printable(message));
}

function isoOf(local: string): string | undefined {
  const time = new Date(`${local}Z`);
  return Number.isNaN(time.getTime()) ? undefined : time.toISOString();
}
