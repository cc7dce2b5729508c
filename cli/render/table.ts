export interface Column {
  readonly title: string;
  /** Numbers stand right. */
  readonly align?: 'left' | 'right';
}

/** Aligned text, two spaces between columns, a line for the titles; ends with a newline. Never any colour. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const line = tableLine(columns, rows);
  return `${[columns.map(({ title }) => title), ...rows].map(line).join('\n')}\n`;
}

/** How one row is written in the widths that these rows need; a later row that is wider stands out. */
export function tableLine(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): (row: readonly string[]) => string {
  const widths = columns.map(({ title }, i) =>
    rows.reduce((widest, row) => Math.max(widest, (row[i] ?? '').length), title.length),
  );
  return (row) =>
    columns
      .map(({ align }, i) => {
        const cell = row[i] ?? '';
        return align === 'right' ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
      })
      .join('  ')
      .trimEnd();
}
