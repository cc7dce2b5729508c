/** `1 rule`, `2 rules`: a number with its noun; `many` is the plural where an s does not make it. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
