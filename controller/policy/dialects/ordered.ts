import type { LabelSelector, Labels } from '../../model/label-selector.ts';

/** How nanoseg recognises the policies that are its own. */
export const managedLabels: Labels = { 'app.kubernetes.io/managed-by': 'nanoseg' };

/** The same selector with its labels in the order of their keys (each with `prefix` before it) and no empty parts. */
export function orderedSelector({ matchLabels, matchExpressions }: LabelSelector, prefix = ''): LabelSelector {
  // most selectors are in order, and need no copy for each peer that has them
  if (prefix === '' && matchLabels && !matchExpressions && isOrdered(Object.keys(matchLabels))) return { matchLabels };
  const labels = Object.entries(matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = (matchExpressions ?? []).map(({ key, operator, values }) =>
    values === undefined || values.length === 0
      ? { key: prefix + key, operator }
      : { key: prefix + key, operator, values },
  );
  return {
    ...(labels.length > 0 && { matchLabels: Object.fromEntries(labels.map(([key, value]) => [prefix + key, value])) }),
    ...(expressions.length > 0 && { matchExpressions: expressions }),
  };
}

function isOrdered(keys: readonly string[]): boolean {
  return keys.length > 0 && keys.every((key, i) => i === 0 || (keys[i - 1] as string) < key);
}
