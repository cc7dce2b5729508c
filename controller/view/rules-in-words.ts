import type { ProofWorld } from '../policy/proof-world.ts';
import { ruleWordsOf } from '../policy/proposal-words.ts';
import type { ReadableCluster, ReadPolicies } from './decision-changes.ts';

/**
 * The rules of a text of policies in words, from what they mean: comments in the text may say anything, and are no part of
 * what is approved. What cannot be read is said instead.
 */
export function rulesInWords(
  text: string,
  namespace: string,
  cluster: ReadableCluster,
  world: ProofWorld,
  read: ReadPolicies,
): string[] {
  const { policies, problems } = read(text, 'the proposal', namespace);
  if (problems.length > 0) return problems.map(({ message }) => message);
  const lines = ruleWordsOf(policies, world).map(({ policy, words }) =>
    policies.length === 1 ? words : `${policy}: ${words}`,
  );
  // of a cluster that cannot be read nobody knows which pods there are today
  return 'unreadable' in cluster ? lines.map((line) => line.replaceAll(' (none today)', '')) : lines;
}
