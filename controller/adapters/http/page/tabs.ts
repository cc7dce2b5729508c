import { el } from './dom.ts';

export interface Tab {
  readonly name: string;
  readonly title: string;
  readonly content: HTMLElement;
}

export interface Tabs {
  readonly element: HTMLElement;
  readonly panels: readonly HTMLElement[];
  title(name: string, text: string): void;
  readonly open: () => string;
}

/** A list of tabs, of which one is shown; the arrow keys go from one to the next. `id` is unique on the page. */
export function tabs(
  label: string,
  id: string,
  all: readonly Tab[],
  opened = all[0]?.name,
  onOpen?: (name: string) => void,
): Tabs {
  const buttons = all.map(({ name, title }) =>
    el(
      'button',
      {
        type: 'button',
        role: 'tab',
        id: `${id}-tab-${name}`,
        'aria-controls': `${id}-${name}`,
        onclick: () => show(name),
      },
      title,
    ),
  );
  const panels = all.map(({ name, content }) =>
    el(
      'div',
      { role: 'tabpanel', id: `${id}-${name}`, class: 'tab-panel', 'aria-labelledby': `${id}-tab-${name}` },
      content,
    ),
  );
  let open = opened ?? '';
  const show = (name: string) => {
    open = name;
    for (const [i, tab] of all.entries()) {
      const isOpen = tab.name === name;
      buttons[i]?.setAttribute('aria-selected', `${isOpen}`);
      if (buttons[i] !== undefined) buttons[i].tabIndex = isOpen ? 0 : -1;
      if (panels[i] !== undefined) panels[i].hidden = !isOpen;
    }
    onOpen?.(name);
  };
  const element = el('div', {
    role: 'tablist',
    class: 'tabs',
    'aria-label': label,
    onkeydown: (event: KeyboardEvent) => {
      const at = all.findIndex(({ name }) => name === open);
      const step = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const next = (step + all.length) % all.length;
      show(all[next]?.name ?? open);
      buttons[next]?.focus();
    },
  });
  element.append(...buttons);
  show(open);
  return {
    element,
    panels,
    open: () => open,
    title: (name, text) => {
      const button = buttons[all.findIndex((tab) => tab.name === name)];
      if (button !== undefined && button.textContent !== text) button.textContent = text;
    },
  };
}
