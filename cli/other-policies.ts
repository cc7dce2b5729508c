import type { Terminal } from './terminal.ts';

/** Says that policies of other APIs are in force which no verdict has looked at; `counts` by kind. */
export function warnOfOtherPolicies(counts: ReadonlyMap<string, number>, terminal: Terminal): void {
  if (counts.size === 0) return;
  const kinds = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
  terminal.err(`warning: only NetworkPolicies of networking.k8s.io/v1 are judged; not judged: ${kinds}\n`);
}
