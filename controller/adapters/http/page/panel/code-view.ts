import { el } from '../dom.ts';
import { printable } from '../printable.ts';

/** Policies as text, with their comments told apart from what counts. */
export function yamlView(text: string): HTMLElement {
  const lines = printable(text)
    .split('\n')
    .map((line) => el('span', { class: /^\s*#/.test(line) ? 'line comment' : 'line' }, `${line}\n`));
  return frame('yaml', 'Policies as YAML', lines);
}

/** A unified diff; added and removed lines have a sign and a colour. */
export function diffView(text: string, name = 'diff'): HTMLElement {
  const kinds: Readonly<Record<string, string>> = { '+': 'added', '-': 'removed', '@': 'hunk' };
  const lines = printable(text)
    .split('\n')
    .map((line) => el('span', { class: `line ${kinds[line[0] ?? ''] ?? ''}` }, `${line}\n`));
  return frame(name, 'Difference to what is in force', lines);
}

function frame(name: string, label: string, lines: readonly HTMLElement[]): HTMLElement {
  return el(
    'pre',
    { class: 'code', tabindex: 0, id: `code-${name}`, 'data-scroll': name, role: 'region', 'aria-label': label },
    el('code', {}, ...lines),
  );
}
