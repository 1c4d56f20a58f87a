/** Text for an 80-column terminal. */

export const TERMINAL_COLUMNS = 80;

/** Break a sentence into lines of at most 80 columns; all but the first begin with `indent`. A word that is longer stays whole. */
export function wrap(text: string, indent = ''): string[] {
  const lines: string[] = [];
  // Spaces in front of the first word are kept: they are its own indent.
  const words = text.split(' ');
  let line = words.shift() ?? '';
  for (const word of words) {
    if (line.trim() !== '' && line.length + 1 + word.length > TERMINAL_COLUMNS) {
      lines.push(line);
      line = `${indent}${word}`;
    } else line = `${line} ${word}`;
  }
  return [...lines, line];
}

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
}

/** Lay rows out under their titles, each column as wide as its widest cell, two spaces between them, or one where that fits a terminal better. */
export function layOut(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ title }, index) => rows.reduce((max, row) => Math.max(max, (row[index] ?? '').length), title.length));
  const wide = widths.reduce((sum, width) => sum + width + 2, -2) <= TERMINAL_COLUMNS;
  const line = (cells: readonly string[]): string =>
    columns
      .map(({ align }, index) =>
        align === 'right' ? (cells[index] ?? '').padStart(widths[index] ?? 0) : (cells[index] ?? '').padEnd(widths[index] ?? 0),
      )
      .join(wide ? '  ' : ' ')
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...rows.map(line)];
}

/** A bar of `width` characters, filled by a share of 0 to 1; the least that is not nothing shows. */
export function bar(share: number, width: number): string {
  const filled = share <= 0 ? 0 : Math.min(width, Math.max(1, Math.round(share * width)));
  return `${'#'.repeat(filled)}${'.'.repeat(width - filled)}`;
}

/** A time of microseconds since 1970: `2026-11-22 12:04:31.220`. */
export function shownTime(timeUs: number): string {
  return new Date(timeUs / 1000).toISOString().replace('T', ' ').replace('Z', '');
}
