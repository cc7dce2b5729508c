/** Longer lists are cut on the terminal; the machine-readable output has all of them. */
const listed = 12;

/** A titled list; empty text for an empty list. `count` is what the lines stand for, where that is more than themselves. */
export function section(title: string, lines: readonly string[], count = lines.length): string {
  if (lines.length === 0) return '';
  const shown = lines.slice(0, listed).map((line) => `  ${line}\n`);
  const rest = lines.length - shown.length;
  return `${title} (${count})\n${shown.join('')}${rest > 0 ? `  and ${rest} more: see -o json\n` : ''}`;
}
