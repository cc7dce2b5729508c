import { counted } from '../../controller/model/counted.ts';
import type { CountedItems, ListedItem } from '../../controller/model/policy-proposal.ts';
import { connectionIdWords } from './connection-words.ts';

/** `shop/Deployment/a > shop/Deployment/b TCP 80: why`. */
export function itemLine({ connection, message }: ListedItem): string {
  return `${connectionIdWords(connection)}: ${message}`;
}

/** The items, those of one source that stand there for the same reason on one line, so that a scan is one. */
export function groupedItems(items: readonly ListedItem[]): string[] {
  const groups = Map.groupBy(items, ({ connection, message }) => JSON.stringify([sourceOf(connection), message]));
  return [...groups.values()].map((same) => {
    const [first] = same as [ListedItem];
    if (same.length === 1) return itemLine(first);
    return `${sourceOf(first.connection)}, ${counted(same.length, 'connection')}: ${first.message}`;
  });
}

/** Those of `items` that do not stand among the others as well. */
export function notAmong({ items }: CountedItems, others: CountedItems): ListedItem[] {
  const known = new Set(others.items.map(({ connection }) => connection));
  return items.filter(({ connection }) => !known.has(connection));
}

function sourceOf(connection: string): string {
  return connectionIdWords(connection).split(' > ', 1)[0] ?? connection;
}
