import { formatConnections, isEmptyConnections } from '../model/connection-set.ts';
import type { PairDifference } from '../policy/evaluate/difference.ts';
import { sideText } from './connection-json.ts';

/** `shop/Deployment/web > shop/Deployment/cart TCP 8080`, a line for each pair that has any of the part. */
export function pairLines(pairs: readonly PairDifference[], part: 'gained' | 'lost' | 'uncertain'): string[] {
  return pairs
    .filter((pair) => !isEmptyConnections(pair[part]))
    .map((pair) => `${sideText(pair.source)} > ${sideText(pair.destination)} ${formatConnections(pair[part])}`);
}
