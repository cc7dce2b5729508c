/** Those of the names that are nearest to one that does not exist, nearest first, at most three. */
export function nearNames(names: readonly string[], wanted: string, shortOf: (name: string) => string): string[] {
  return names
    .map((name) => ({ name, distance: editDistance(wanted, shortOf(name)) }))
    .filter(
      ({ name, distance }) => distance <= Math.max(2, wanted.length / 3) || (wanted !== '' && name.includes(wanted)),
    )
    .sort((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ name }) => name);
}

/** `; did you mean …?`, or nothing. */
export function didYouMean(near: readonly string[]): string {
  return near.length === 0 ? '' : `; did you mean ${near.join(', ')}?`;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}
