import { createHash } from 'node:crypto';

/** Letters and digits of generated Kubernetes names: nothing that could spell a word. */
const alphabet = 'bcdfghjklmnpqrstvwxz2456789';

/** A name part that looks generated and is the same in every recording. */
export function nameHash(seed: string, length: number): string {
  const digest = createHash('sha256').update(seed).digest();
  return Array.from({ length }, (_, i) => alphabet[(digest[i] ?? 0) % alphabet.length]).join('');
}

export function uidOf(seed: string): string {
  const hex = createHash('sha256').update(`uid ${seed}`).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `a${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}
