/** Writes a JSON array, an element a line, without ever holding more than a part of its text. */
export function writeJsonArray(elements: Iterable<unknown>, out: (text: string) => void): void {
  let text = '[';
  let first = true;
  for (const element of elements) {
    text += `${first ? '' : ','}\n${JSON.stringify(element)}`;
    first = false;
    if (text.length < chunk) continue;
    out(text);
    text = '';
  }
  out(`${text}${first ? '' : '\n'}]\n`);
}

const chunk = 65_536;
