/** The examples that the help texts of the command give. */
import pLimit from 'p-limit';
import { runChild } from '../../system/child-process.ts';

export interface HelpExample {
  /** `export digits` */
  command: string;
  /** As it stands there: `TEMPORAL_ADDRESS=… retinopathy watch dr-2026-11` */
  line: string;
}

const START = new URL('../../cli/start.mjs', import.meta.url).pathname;

/** Two cores: more processes would only compete for them. */
const limit = pLimit(2);

/** `retinopathy ARGS` in a folder, with what is printed. */
export async function retinopathyIn(
  cwd: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; said: string; stdout: string }> {
  const stdout: string[] = [];
  const { code, tail } = await limit(() =>
    runChild([process.execPath, START, ...args], {
      cwd,
      env: { ...process.env, NO_COLOR: '1', COLUMNS: '200', ...env },
      onLine: (line, from) => {
        if (from === 'stdout') stdout.push(line);
      },
    }),
  );
  return { code, said: tail.join('\n'), stdout: stdout.join('\n') };
}

/** Those of every command that has none below it; a command without an example has an empty line. */
export async function helpExamples(path: readonly string[] = []): Promise<HelpExample[]> {
  const { stdout } = await retinopathyIn('.', [...path, '--help']);
  const [, below] = stdout.split('\nCommands:\n');
  const names = [...(below ?? '').matchAll(/^ {2}([a-z]\S*)/gm)].map(([, name]) => name!);
  const commands = names.filter(name => name !== 'help');
  if (commands.length > 0) return (await Promise.all(commands.map(name => helpExamples([...path, name])))).flat();
  const [, after] = stdout.split('\nExample:\n');
  const lines = (after ?? '').split('\n').filter(line => /\bretinopathy\b/.test(line));
  return (lines.length > 0 ? lines : ['']).map(line => ({ command: path.join(' '), line: line.trim() }));
}

/** Runs an example in a folder, in which its words may mean something else. */
export async function runExample(
  { line }: HelpExample,
  cwd: string,
  meanings: Readonly<Record<string, string>>,
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | null; said: string }> {
  const meant = Object.entries(meanings).reduce((text, [word, meaning]) => text.replaceAll(word, meaning), line);
  const words = [...meant.matchAll(/"([^"]*)"|\S+/g)].map(([word, quoted]) => quoted ?? word);
  const at = words.indexOf('retinopathy');
  const settings = words.slice(0, at).map(word => word.split(/=(.*)/s).slice(0, 2) as [string, string]);
  return retinopathyIn(cwd, words.slice(at + 1), { ...env, ...Object.fromEntries(settings) });
}
