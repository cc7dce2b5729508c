/**
 * Text that came from objects in the cluster or from other people, for a terminal: whatever could move the cursor, change
 * colours or end a line is shown as `?`. Line breaks and tabs stay with `multiLine`.
 */
export function printable(text: string, multiLine = false): string {
  return text.replaceAll(multiLine ? controlsButBreaks : controls, '?');
}

// C0 and C1 controls, and the characters that turn the direction of writing
const controls = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
const controlsButBreaks = /(?![\n\t])[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;
