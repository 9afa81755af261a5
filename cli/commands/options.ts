/** Options, parsers of values and action wrappers that several commands share. */
import { type Command, InvalidArgumentError } from 'commander';
import { codeAndCure, codeOf } from '../../lib/system-errors.ts';

type Action = Parameters<Command['action']>[0];

/** Wraps a function that returns an exit status into an action. */
export const exits =
  (work: (...args: Parameters<Action>) => Promise<number>): Action =>
  async (...args) => {
    process.exitCode = await work(...args);
  };

export const example = (line: string) => ['after', `\nExample:\n  ${line}`] as const;

/** Makes a parser of numbers. @throws InvalidArgumentError `Expected a whole number from 1.` */
const number = (expected: string, isRight: (n: number) => boolean) => (value: string) => {
  const n = Number(value);
  if (value.trim() === '' || !isRight(n)) throw new InvalidArgumentError(`Expected ${expected}.`);
  return n;
};
export const port = number('a port from 1 to 65535', n => Number.isInteger(n) && n >= 1 && n <= 65_535);
export const count = number('a whole number from 1', n => Number.isInteger(n) && n >= 1);
export const split = number('0, 1, 2 or 3', n => [0, 1, 2, 3].includes(n));
export const share = number('a number from 0 to 1', n => n >= 0 && n <= 1);
export const amount = number('a number above 0', n => Number.isFinite(n) && n > 0);
/** Collects the values of an option that may be repeated. */
export const collect = (value: string, before: string[]) => [...before, value];

export const RUN = ['--run <run>', 'a workflow id, or the out folder of a run (default: the run of --out)'] as const;
export const STORE = [
  '--store <url>',
  'where artifacts are stored (default: RETINOPATHY_STORE, or the store of the out folder)',
] as const;
export const OUT = ['--out <dir>', 'the folder of a run on this machine', './run'] as const;
export const PORT = ['--port <port>', "port of Temporal's server (default: 7233, or a free one)", port] as const;
export const UI_PORT = [
  '--ui-port <port>',
  "port of Temporal's Web UI (default: the server's + 1000, or a free one)",
  port,
] as const;

/**
 * Ends the command silently when its reader has left, for commands whose only result is their output. By default a command
 * continues with its other work (cli/start.mjs).
 */
export function printsItsResult(): void {
  process.stdout.on('error', error => {
    const code = codeOf(error);
    if (code === 'EPIPE') process.exit();
    process.stderr.write(`retinopathy: Expected standard output to take the result, got ${codeAndCure(code)}\n`);
    process.exit(1);
  });
}
