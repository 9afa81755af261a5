/** The examples that the help texts of the command give, and how they are typed. */
import type { Command } from 'commander';
import pLimit from 'p-limit';
import { createProgram } from '../../cli/commands/program.ts';
import { runChild, startChild } from '../../lib/process/child-process.ts';
import { eventually } from './command.ts';

export interface HelpExample {
  /** `export digits` */
  command: string;
  /** As it stands there: `TEMPORAL_ADDRESS=… retinopathy watch dr-2026-11` */
  line: string;
}

/** What an example is typed with. */
export interface Typing {
  cwd: string;
  /** What words of the example mean here: ids and addresses that nobody can know before. */
  meanings: Readonly<Record<string, string>>;
  env?: NodeJS.ProcessEnv;
}

export interface Typed {
  code: number | null;
  /** Both streams, in the order that they came. */
  said: string;
}

const START = new URL('../../cli/start.mjs', import.meta.url).pathname;
const PLAIN = { NO_COLOR: '1', COLUMNS: '200' };

/** Two cores: more processes would only compete for them. */
const limit = pLimit(2);

/** `retinopathy ARGS` in a folder, with what is printed. */
export async function retinopathyIn(
  cwd: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Typed & { stdout: string }> {
  const stdout: string[] = [];
  const { code, tail } = await limit(() =>
    runChild([process.execPath, START, ...args], {
      cwd,
      env: { ...process.env, ...PLAIN, ...env },
      onLine: (line, from) => {
        if (from === 'stdout') stdout.push(line);
      },
    }),
  );
  return { code, said: tail.join('\n'), stdout: stdout.join('\n') };
}

/** Those of every command that has none below it, in the order of the help; a command without an example has an empty line. */
export function helpExamples(program: Command = createProgram(), path: readonly string[] = []): HelpExample[] {
  return program.commands.flatMap(command => {
    const names = [...path, command.name()];
    if (command.commands.length > 0) return helpExamples(command, names);
    const [, after] = helpOf(command).split('\nExample:\n');
    const lines = (after ?? '').split('\n').filter(line => /\bretinopathy\b/.test(line));
    return (lines.length > 0 ? lines : ['']).map(line => ({ command: names.join(' '), line: line.trim() }));
  });
}

/** All that `--help` prints. */
function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: part => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
}

/** The words of an example: settings of the environment, and what follows `retinopathy`. */
export function wordsOf(line: string, meanings: Readonly<Record<string, string>> = {}) {
  const meant = Object.entries(meanings).reduce((text, [word, meaning]) => text.replaceAll(word, meaning), line);
  const words = [...meant.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
  const at = words.indexOf('retinopathy');
  const settings = words.slice(0, at).map(word => word.split(/=(.*)/s).slice(0, 2) as [string, string]);
  return { env: Object.fromEntries(settings), args: words.slice(at + 1) };
}

/** Runs an example in a folder to its end. */
export async function runExample({ line }: HelpExample, { cwd, meanings, env }: Typing): Promise<Typed> {
  const words = wordsOf(line, meanings);
  const { code, said } = await retinopathyIn(cwd, words.args, { ...env, ...words.env });
  return { code, said };
}

/** An example that stays, once it has said something. */
export interface Staying {
  said: string;
  /** Ends it as a person or a machine does, by this signal. */
  end(signal: NodeJS.Signals): Promise<Typed>;
}

/** Starts an example, and waits until it says so. @throws Error with what it said where it ends before */
export async function startExample({ line }: HelpExample, says: RegExp, typing: Typing): Promise<Staying> {
  const { env, args } = wordsOf(line, typing.meanings);
  const lines: string[] = [];
  const said = () => lines.join('\n');
  const child = await startChild([process.execPath, START, ...args], {
    cwd: typing.cwd,
    env: { ...process.env, ...PLAIN, ...typing.env, ...env },
    onLine: line => lines.push(line),
  });
  let over: Typed | undefined;
  const ended = child.exited.then(({ code }) => {
    over = { code, said: said() };
    return over;
  });
  await eventually(`${line} to say ${says}`, 60, () => {
    if (over) throw new Error(`Expected ${line} to stay, got exit ${over.code}: ${over.said}`);
    return says.test(said());
  }).catch(error => {
    child.kill('SIGKILL');
    throw error;
  });
  return {
    said: said(),
    end: signal => {
      child.kill(signal);
      return ended;
    },
  };
}
