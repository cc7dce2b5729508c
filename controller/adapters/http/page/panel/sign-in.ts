import { el, fill } from '../dom.ts';
import type { PageControl } from '../page-control.ts';
import type { PageState } from '../page-state.ts';
import { printable } from '../printable.ts';

/** Asks for a token where the server wants one. It stays in the memory of this page and is gone with it. */
export function showSignIn(state: PageState, control: PageControl): void {
  const dialog = el('dialog', {
    class: 'dialog',
    'aria-labelledby': 'sign-in-title',
    oncancel: (event: Event) => event.preventDefault(),
  });
  document.body.append(dialog);
  state.watch(['signIn'], ({ signIn }) => {
    if (signIn === undefined) {
      if (dialog.open) dialog.close();
      return;
    }
    const token = el('input', {
      type: 'password',
      id: 'token',
      autocomplete: 'off',
      spellcheck: 'false',
      required: true,
    });
    const submit = (event: Event) => {
      event.preventDefault();
      const value = token.value.trim();
      token.value = '';
      control.signIn(value);
    };
    fill(
      dialog,
      el(
        'form',
        { onsubmit: submit },
        el('h2', { id: 'sign-in-title' }, 'Who are you?'),
        el(
          'div',
          { class: 'dialog-body' },
          el('p', {}, printable(signIn.because)),
          el('label', { class: 'stacked' }, 'Token of the cluster', token),
          el(
            'p',
            { class: 'quiet' },
            'It stays in the memory of this page. kubectl create token NAME makes one; nanoseg ui opens this page without asking.',
          ),
        ),
        el('div', { class: 'dialog-buttons' }, el('button', { type: 'submit', class: 'button primary' }, 'Go on')),
      ),
    );
    if (!dialog.open) dialog.showModal();
    token.focus();
  });
}
