/**
 * Text of strangers for people: what would reorder, hide or end a line is shown as a replacement character, so that a name
 * can pretend to be nothing else. Line ends and tabs stay.
 */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, (character) =>
    character === '\n' || character === '\t' ? character : '\uFFFD',
  );
}

/** The same in one line of at most so many characters. */
export function shortened(text: string, most: number): string {
  const line = printable(text).replace(/\s+/g, ' ');
  return line.length > most ? `${line.slice(0, most - 1)}…` : line;
}
