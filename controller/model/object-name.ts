/**
 * A Kubernetes object name (at most 63 characters here, so that it also fits into a label) made of parts: lower case,
 * what DNS does not allow becomes `-`; a result that had to be changed or cut ends in 8 hex digits of a hash of the
 * original, so that two workloads never share a name. Idea of the trimmed name with a hash: cdk8s.
 */
export function objectName(...parts: readonly string[]): string {
  const original = parts.join('-');
  const cleaned = original
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  if (cleaned === original && original.length <= maxLength && original.length > 0) return original;
  const head = cleaned.slice(0, maxLength - 9).replaceAll(/-+$/g, '');
  const hash = fnv1a(original).toString(16).padStart(8, '0');
  return head === '' ? `x-${hash}` : `${head}-${hash}`;
}

const maxLength = 63;

/** FNV-1a, 32 bits, over UTF-16 code units (Fowler, Noll and Vo); not for secrets. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash ^= text.charCodeAt(i);
    hash = Math.imul(hash, 0x01000193);
  }
  return hash >>> 0;
}
