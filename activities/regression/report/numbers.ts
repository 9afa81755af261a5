/** Numbers as people read them. */
import type { Interval } from '../bootstrap.ts';

/** What stands for a figure that cannot be computed. */
const NONE = 'n/a';
const MINUS = '\u2212';

export function fixed(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `${MINUS}${text}` : text;
}

export function percent(share: number | null | undefined, digits = 1): string {
  return share === null || share === undefined ? NONE : `${fixed(share * 100, digits)}\u202f%`;
}

/** `0.71–0.88` */
export function range(interval: Interval | null, digits = 3): string {
  return interval === null ? NONE : `${fixed(interval[0], digits)}\u2013${fixed(interval[1], digits)}`;
}

/** 35126 → `35,126` */
export function count(n: number): string {
  return n.toLocaleString('en-US');
}

/** `1 eye`, `90 eyes` */
export function some(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** Seconds as `0.8 s`, `42 s`, `3 min 05 s`, `1 h 12 min`. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const two = (n: number) => String(n).padStart(2, '0');
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** With its sign: `+0.012`, `\u22120.004`, `0.000`. */
export function signed(value: number | null | undefined, digits = 3): string {
  const text = fixed(value, digits);
  return value !== null && value !== undefined && value > 0 && Number(text) !== 0 ? `+${text}` : text;
}

/** `\u22120.01 to +0.05`: a dash between signs would be read as one of them. */
export function signedRange(interval: Interval | null, digits = 3): string {
  return interval === null ? NONE : `${signed(interval[0], digits)} to ${signed(interval[1], digits)}`;
}

/** Bytes as `0.8 kB`, `47.9 MB`, `33.1 GB`. */
export function bytes(n: number): string {
  const [unit, size] = n >= 1e9 ? ['GB', 1e9] : n >= 1e6 ? ['MB', 1e6] : ['kB', 1e3];
  return `${fixed(n / size, 1)} ${unit}`;
}
