/**
 * The rules of a text of policies in words: the comments that nanoseg writes over each rule. A text without comments has
 * none, and is shown as it is.
 */
export function rulesInWords(policies: string): string[] {
  const lines = policies.split('\n').map((line) => /^(\s*)# (.*)$/.exec(line));
  return lines.flatMap((match) => (match?.[1] ? [match[2] ?? ''] : []));
}
