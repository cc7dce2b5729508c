import type { PageControl } from './page-control.ts';
import type { PageState, Selection } from './page-state.ts';

/** Keeps what is selected in the address, so that a link leads to it and the browser's Back returns to what was before. */
export function followAddress(state: PageState, control: PageControl): void {
  const read = () => {
    const wanted = parse(location.hash);
    if (format(state.now.selection) !== format(wanted)) control.select(wanted);
  };
  addEventListener('hashchange', read);
  read();
  state.watch(['selection'], ({ selection }) => {
    const hash = format(selection);
    if (hash === location.hash || (hash === '' && location.hash === '')) return;
    history.pushState(null, '', hash === '' ? location.pathname : hash);
  });
  addEventListener('popstate', read);
}

function format(selection: Selection | undefined): string {
  switch (selection?.kind) {
    case undefined:
      return '';
    case 'proposal':
      return path('proposals', selection.namespace, selection.name);
    case 'node':
      return path('nodes', selection.key);
    case 'group':
      return path('groups', selection.key);
    case 'edge':
      return path('pairs', selection.source, selection.target);
  }
}

function path(...parts: readonly string[]): string {
  return `#/${parts.map((part) => encodeURIComponent(part)).join('/')}`;
}

function parse(hash: string): Selection | undefined {
  let parts: string[];
  try {
    parts = hash
      .slice(2)
      .split('/')
      .map((part) => decodeURIComponent(part));
  } catch {
    // not an address of ours
    return undefined;
  }
  const [kind, first, second] = parts;
  if (first === undefined) return undefined;
  if (kind === 'nodes') return { kind: 'node', key: first };
  if (kind === 'groups') return { kind: 'group', key: first };
  if (second === undefined) return undefined;
  if (kind === 'proposals') return { kind: 'proposal', namespace: first, name: second };
  return kind === 'pairs' ? { kind: 'edge', source: first, target: second } : undefined;
}
