/** Figures as people read them. */

/** `51.2 MB`, `35.0 GB` */
export function bytes(n: number): string {
  if (n < 1e3) return `${n} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(n) / 3), units.length);
  return `${(n / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** `8 s`, `1 min 05 s`, `30 h 12 min` */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, '0')} min`;
}

/** `35,126` */
export function whole(n: number): string {
  return Math.round(n).toLocaleString('en');
}

/** `1 tar`, `2 tars` */
export function counted(n: number, what: string): string {
  return `${whole(n)} ${what}${n === 1 ? '' : 's'}`;
}

/** A bar of `width` cells in eighths. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const full = Math.floor(eighths / 8);
  const part = eighths % 8 === 0 ? '' : (' ▏▎▍▌▋▊▉'[eighths % 8] ?? '');
  return `${'█'.repeat(full)}${part}`.padEnd(width, '·');
}

/** Columns padded to their widest cell; the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  return rows.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}
