/** What the values of options are read as. @throws InvalidArgumentError with what was expected */
import { InvalidArgumentError } from 'commander';

/** Of an option that may be repeated. */
export const collect = (value: string, before: string[]) => [...before, value];

export function port(value: string): number {
  const n = Number(value);
  if (!Number.isInteger(n) || n < 1 || n > 65_535) throw new InvalidArgumentError('Expected a port from 1 to 65535.');
  return n;
}

export function count(value: string): number {
  const n = Number(value);
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError('Expected a whole number from 1.');
  return n;
}

export function split(value: string): number {
  if (!/^[0-3]$/.test(value)) throw new InvalidArgumentError('Expected 0, 1, 2 or 3.');
  return Number(value);
}

export function share(value: string): number {
  const n = Number(value);
  if (!(n >= 0 && n <= 1)) throw new InvalidArgumentError('Expected a number from 0 to 1.');
  return n;
}

export function amount(value: string): number {
  const n = Number(value);
  if (!Number.isFinite(n) || n <= 0) throw new InvalidArgumentError('Expected a number above 0.');
  return n;
}
