import type { CountedItems, ListedItem } from '../model/policy-proposal.ts';
import { connectionIdWords } from './connection-words.ts';

/** Targets of one source that are named on a line. */
const namedTargets = 3;

/** `shop/Deployment/a > shop/Deployment/b TCP 80: why`. */
export function itemLine(item: ListedItem): string {
  return `${connectionIdWords(item.connection)}: ${reasonWords(item)}`;
}

/** The items, those of one source that stand there for the same reason on one line, so that a scan is one. */
export function groupedItems(items: readonly ListedItem[]): string[] {
  const groups = Map.groupBy(items, (item) => JSON.stringify([sidesOf(item).source, reasonWords(item)]));
  return [...groups.values()].map((same) => {
    const [first] = same as [ListedItem];
    const targets = same.map((item) => sidesOf(item).target);
    const more = targets.length > namedTargets ? ` and ${targets.length - namedTargets} more` : '';
    return `${sidesOf(first).source}${targets.slice(0, namedTargets).join(', ')}${more}: ${reasonWords(first)}`;
  });
}

/** Those of `items` that do not stand among the others as well. */
export function notAmong({ items }: CountedItems, others: CountedItems): ListedItem[] {
  const known = new Set(others.items.map(({ connection }) => connection));
  return items.filter(({ connection }) => !known.has(connection));
}

/** The reason without the side of the connection that it begins with, which is said before it: `no rule allows it (egress)`. */
export function reasonWords(item: ListedItem): string {
  const [, direction, side = '', reason = ''] = /^(ingress|egress) (.+): (.+)$/.exec(item.message) ?? [];
  if (direction === undefined) return item.message;
  const { source, target } = sidesOf(item);
  const isSaid = direction === 'egress' ? side === target : side.startsWith(source.slice(0, -'> '.length));
  return isSaid ? `${reason} (${direction})` : item.message;
}

/** `shop/Deployment/a > ` and `shop/Deployment/b TCP 80`; a connection of another form is all target. */
function sidesOf({ connection }: ListedItem): { readonly source: string; readonly target: string } {
  const words = connectionIdWords(connection);
  const arrow = / [>~] /.exec(words);
  if (arrow === null) return { source: '', target: words };
  const end = arrow.index + arrow[0].length;
  return { source: words.slice(0, end), target: words.slice(end) };
}
