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
