/** Lines around a change that are shown with it. */
const contextLines = 3;

/** Texts that are further apart are shown as one removed and the other added: nobody would read the script between them. */
const mostEdits = 1_500;

/**
 * The difference of two texts as a unified diff, without a head; empty when they are equal. Shortest edit script by
 * E. Myers, "An O(ND) Difference Algorithm and Its Variations" (1986).
 */
export function lineDiff(before: string, after: string): string {
  const edits = shortestEdit(linesOf(before), linesOf(after));
  return hunks(edits)
    .map(({ head, lines }) => `${head}\n${lines.map((line) => `${line}\n`).join('')}`)
    .join('');
}

interface Edit {
  readonly mark: ' ' | '-' | '+';
  readonly line: string;
}

function linesOf(text: string): string[] {
  if (text === '') return [];
  return (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n');
}

function shortestEdit(before: readonly string[], after: readonly string[]): Edit[] {
  const limit = Math.min(before.length + after.length, mostEdits);
  const shift = limit + 1;
  /** Furthest line of `before` that is reached on each diagonal, by the number of edits. */
  const history: Int32Array[] = [new Int32Array(2 * shift + 1)];
  for (let edits = 0; edits <= limit; edits++) {
    const former = history[edits] as Int32Array;
    const reached = former.slice();
    for (let diagonal = -edits; diagonal <= edits; diagonal += 2) {
      let x = startOn(former, diagonal, edits, shift).x;
      while (x < before.length && x - diagonal < after.length && before[x] === after[x - diagonal]) x++;
      reached[diagonal + shift] = x;
      if (x >= before.length && x - diagonal >= after.length) return walkBack(history, edits, before, after);
    }
    history.push(reached);
  }
  return [
    ...before.map((line) => ({ mark: '-', line }) as const),
    ...after.map((line) => ({ mark: '+', line }) as const),
  ];
}

/** Where a path of so many edits comes onto a diagonal: one line added from above, or one removed from the left. */
function startOn(former: Int32Array, diagonal: number, edits: number, shift: number) {
  const above = former[diagonal + 1 + shift] ?? 0;
  const left = former[diagonal - 1 + shift] ?? 0;
  const added = diagonal === -edits || (diagonal !== edits && left < above);
  return added ? { added, x: above } : { added, x: left + 1 };
}

function walkBack(
  history: readonly Int32Array[],
  edits: number,
  before: readonly string[],
  after: readonly string[],
): Edit[] {
  const shift = ((history[0] as Int32Array).length - 1) / 2;
  const found: Edit[] = [];
  let x = before.length;
  let y = after.length;
  for (let left = edits; left >= 0; left--) {
    const start = startOn(history[left] as Int32Array, x - y, left, shift);
    const first = left === 0 ? 0 : start.x;
    for (; x > first; x--, y--) found.push({ mark: ' ', line: before[x - 1] as string });
    if (left === 0) break;
    if (start.added) found.push({ mark: '+', line: after[--y] as string });
    else found.push({ mark: '-', line: before[--x] as string });
  }
  return found.reverse();
}

interface Hunk {
  readonly head: string;
  readonly lines: readonly string[];
}

function hunks(edits: readonly Edit[]): Hunk[] {
  const found: Hunk[] = [];
  let [oldLine, newLine] = [1, 1];
  let open: { oldStart: number; newStart: number; edits: Edit[]; quiet: number } | undefined;
  const close = () => {
    if (open === undefined) return;
    const shown = open.edits.slice(0, open.edits.length - Math.max(0, open.quiet - contextLines));
    const olds = shown.filter(({ mark }) => mark !== '+').length;
    const news = shown.filter(({ mark }) => mark !== '-').length;
    found.push({
      head: `@@ -${olds === 0 ? open.oldStart - 1 : open.oldStart},${olds} +${news === 0 ? open.newStart - 1 : open.newStart},${news} @@`,
      lines: shown.map(({ mark, line }) => mark + line),
    });
    open = undefined;
  };
  for (const [i, edit] of edits.entries()) {
    if (edit.mark !== ' ') {
      if (open === undefined) {
        const context = edits.slice(Math.max(0, i - contextLines), i);
        const lead = context.length - (context.findLastIndex(({ mark }) => mark !== ' ') + 1);
        open = {
          oldStart: oldLine - lead,
          newStart: newLine - lead,
          edits: context.slice(context.length - lead),
          quiet: 0,
        };
      }
      open.quiet = 0;
    } else if (open !== undefined) open.quiet++;
    open?.edits.push(edit);
    if (open !== undefined && open.quiet > 2 * contextLines) close();
    if (edit.mark !== '+') oldLine++;
    if (edit.mark !== '-') newLine++;
  }
  close();
  return found;
}
