import { z } from 'zod';
import type { ListPage } from '../../../view/api-shape.ts';
import { ApiProblem } from './api-problem.ts';

const mostItems = 500;
const fewItems = 100;

export const pageQuery = {
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(mostItems)
    .default(fewItems)
    .describe(`Items of a page, at most ${mostItems}.`),
  continue: z.string().max(2048).optional().describe('As the page before says it.'),
} as const;

/**
 * One page of a list that is ascending by `keyOf`: it goes on after the last item of the page before, whatever came or went in
 * between.
 */
export function pageOfList<Item, Shown>(
  all: readonly Item[],
  { limit, continue: text }: { readonly limit: number; readonly continue?: string | undefined },
  keyOf: (item: Item) => string,
  show: (item: Item) => Shown,
): ListPage<Shown> {
  const after = text === undefined ? undefined : decode(text);
  const start = after === undefined ? 0 : firstAfter(all, after, keyOf);
  const items = all.slice(start, start + limit);
  const last = items.at(-1);
  const more = start + items.length < all.length && last !== undefined;
  return {
    items: items.map(show),
    total: all.length,
    continue: more ? Buffer.from(keyOf(last)).toString('base64url') : null,
  };
}

function firstAfter<Item>(all: readonly Item[], after: string, keyOf: (item: Item) => string): number {
  const found = all.findIndex((item) => keyOf(item) > after);
  return found < 0 ? all.length : found;
}

function decode(text: string): string {
  if (!/^[\w-]+$/.test(text))
    throw new ApiProblem(400, 'ArgumentInvalid', 'continue is not what a page said', { where: 'continue' });
  return Buffer.from(text, 'base64url').toString();
}
