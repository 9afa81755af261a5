/** Formats figures for text, for tables in the terminal and for the report. */
import colors from 'picocolors';

/** Placeholder of a figure that cannot be computed. */
const NONE = 'n/a';
const MINUS = '\u2212';

/** Formats bytes: `800 B`, `51.2 MB`, `35.0 GB`. */
export function bytes(n: number): string {
  if (n < 1e3) return `${n} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  const power = Math.min(Math.floor(Math.log10(n) / 3), units.length);
  return `${(n / 1000 ** power).toFixed(1)} ${units[power - 1]}`;
}

/** Formats a duration: `8 s`, `1 min 05 s`, `30 h 12 min`. */
export function duration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, '0')} min`;
}

/** Formats a duration as `duration` does, with tenths below ten seconds: `0.8 s`. */
export function fineDuration(seconds: number): string {
  return seconds < 9.95 ? `${seconds.toFixed(1)} s` : duration(seconds);
}

/** Formats a rounded number: `35,126`. */
export function whole(n: number): string {
  return Math.round(n).toLocaleString('en');
}

/** Formats a count with its noun: `1 tar`, `2 tars`. */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

export function fixed(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

/** Formats as `fixed` does, with a dash for a figure that cannot be computed. */
export function dashed(value: number | null): string {
  return value === null ? '–' : fixed(value);
}

export function percent(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined ? NONE : `${fixed(share * 100, digits)}\u202f%`;
}

type Interval = readonly [low: number, high: number];

/** Formats an interval: `0.71–0.88`. */
export function range(interval: Interval | null, digits = 3): string {
  return interval === null ? NONE : `${fixed(interval[0], digits)}\u2013${fixed(interval[1], digits)}`;
}

/** Formats a number with its sign: `+0.012`, `−0.004`, `0.000`. */
export function signed(value: number | null | undefined, digits = 3): string {
  const text = fixed(value, digits);
  return value !== null && value !== undefined && value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** Formats an interval with signs: `−0.01 to +0.05`. A dash between signs would look like one of them. */
export function signedRange(interval: Interval | null, digits = 3): string {
  return interval === null ? NONE : `${signed(interval[0], digits)} to ${signed(interval[1], digits)}`;
}

/** Draws a bar of `width` cells in eighths. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const full = Math.floor(eighths / 8);
  const part = eighths % 8 === 0 ? '' : (' ▏▎▍▌▋▊▉'[eighths % 8] ?? '');
  return `${'█'.repeat(full)}${part}`.padEnd(width, '·');
}

/** Pads columns to their widest cell. Aligns the first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => (row[column] ?? '').length)));
  return rows.map(row =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** Formats a table with a dim header, for results in the terminal. */
export function headed(rows: readonly (readonly string[])[]): string[] {
  return table(rows).map((line, i) => `  ${i === 0 ? colors.dim(line) : line}`);
}
