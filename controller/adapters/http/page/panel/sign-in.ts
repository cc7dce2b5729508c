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
    const { title, because, takesToken } = signIn;
    const token = el('input', {
      type: 'password',
      id: 'token',
      autocomplete: 'off',
      spellcheck: 'false',
      required: true,
    });
    const goOn = el('button', { type: 'submit', class: 'button primary' }, takesToken ? 'Go on' : 'Try again');
    const submit = (event: Event) => {
      event.preventDefault();
      const value = token.value.trim();
      token.value = '';
      if (takesToken) control.signIn(value);
      else control.retry();
    };
    const more = takesToken
      ? [
          el('label', { class: 'stacked' }, 'Token of the cluster', token),
          el(
            'p',
            { class: 'quiet' },
            'It stays in the memory of this page. kubectl create token NAME makes one; nanoseg ui opens this page without asking.',
          ),
        ]
      : [
          el(
            'p',
            { class: 'quiet' },
            'nanoseg ui passes requests on with the token of the kubeconfig: sign in to the cluster again, or start it with another one.',
          ),
        ];
    fill(
      dialog,
      el(
        'form',
        { onsubmit: submit },
        el('h2', { id: 'sign-in-title' }, title),
        el('div', { class: 'dialog-body' }, el('p', {}, printable(because)), ...more),
        el('div', { class: 'dialog-buttons' }, goOn),
      ),
    );
    // what was asked before and not answered is asked again, above whatever else is open
    if (dialog.open) dialog.close();
    dialog.showModal();
    (takesToken ? token : goOn).focus();
  });
}
