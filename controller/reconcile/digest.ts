import type { ProposalSpec } from '../model/policy-proposal.ts';

/** SHA-256 of a text, in hex. */
export type HashText = (text: string) => string;

/**
 * What an approval is bound to: whose policies they are, what they mean (comments apart), and the connections that they
 * were made from. `canonicalPolicies` is the text of `canonicalPolicies()`; of unreadable text it is the text itself.
 */
export function proposalDigest(
  ref: { readonly namespace: string; readonly name: string },
  { scope, workloads, evidence }: Pick<ProposalSpec, 'scope' | 'workloads' | 'evidence'>,
  canonicalPolicies: string,
  hash: HashText,
): string {
  const bound = [ref.namespace, ref.name, scope, [...workloads].sort(), canonicalPolicies, [...evidence].sort()];
  return `sha256:${hash(JSON.stringify(bound))}`;
}
