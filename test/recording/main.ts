/**
 * `npm run record`: the picture that stands first in the README, from a real run under `--chaos`.
 *
 * A calm run of the demo is made first, so that what is recorded is the run under attack and the comparison.
 */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { bytes } from '../../lib/format.ts';
import { startChild } from '../../lib/process/child-process.ts';
import { UserError } from '../../lib/user-error.ts';
import { asCommand } from '../bench/support/as-command.ts';
import { positive } from '../bench/support/numbers.ts';
import { stoppable } from '../bench/support/stoppable.ts';
import { pythonWith } from '../support/python-environment.ts';
import { shorten } from './cast.ts';

interface Options {
  cast?: string;
  to: string;
  seconds: number;
  set: string[];
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
/** Columns and rows that hold every picture of the demo and its summary. */
const SCREEN = '104x37';
const PAUSE_SECONDS = 2;
/** Between two loops: time to read how it ended. */
const LAST_MS = 12_000;
/** Two pictures a second are enough to follow, and a quarter of the file that all of them need. */
const FRAME_MS = 400;

async function main(args: readonly string[]): Promise<void> {
  const options = new Command('npm run record --')
    .description('records `npm start -- --chaos` on the demo, and renders it')
    .option('--cast <file>', 'render this recording again, or keep the new one there')
    .option('--to <file>', 'the picture', 'docs/images/chaos.svg')
    .option('--seconds <n>', 'its length', positive, 45)
    .option('--set <path=value>', 'as of `npm start`', (value, all: string[]) => [...all, value], [])
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<Options>();
  await stoppable(signal => record(options, signal));
}

async function record({ cast, to, seconds, set }: Options, signal: AbortSignal): Promise<void> {
  const report = (line: string) => process.stderr.write(`${line}\n`);
  const python = await pythonWith(
    {
      what: 'termtosvg',
      name: 'termtosvg-1.4.1',
      requirements: here('requirements.txt'),
      modules: ['termtosvg', 'pyte'],
    },
    { report, signal },
  );
  const folder = await mkdtemp(join(tmpdir(), 'record-'));
  const home = { [folder]: '/home/you' };
  try {
    const kept = resolve(cast ?? join(folder, 'demo.cast'));
    if (!(await stat(kept).catch(() => undefined))) {
      const settings = set.flatMap(setting => ['--set', setting]);
      const start = (...more: string[]) => [
        here('../../cli/start.mjs'),
        ...more,
        '--out',
        join(folder, 'run'),
        ...settings,
      ];
      report('a calm run');
      await run([process.execPath, ...start('run', '--no-keep')], signal);
      report('the run that is recorded');
      const command = `printf '\\033[32m$\\033[39m npm start -- --chaos\\n\\n'; exec ${[process.execPath, ...start('run', '--chaos')].join(' ')}`;
      const whole = join(folder, 'whole.cast');
      await run([python, here('record.py'), whole, SCREEN, command], signal);
      const recorded = await readFile(whole, 'utf8');
      if (!recorded.includes('Survived'))
        throw new UserError('Expected the recorded run to come to its end, got another one');
      await writeFile(kept, shorten(recorded, { seconds: 1e9, pause: 1e9, replace: home }));
    }
    const short = join(folder, 'short.cast');
    await writeFile(short, shorten(await readFile(kept, 'utf8'), { seconds, pause: PAUSE_SECONDS, replace: {} }));
    const look = ['-t', here('frame.svg'), '-m', String(FRAME_MS), '-D', String(LAST_MS)];
    await run([python, '-m', 'termtosvg', 'render', short, resolve(to), ...look], signal);
    report(`${to}: ${bytes((await stat(to)).size)}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(command: readonly string[], signal: AbortSignal): Promise<void> {
  const child = await startChild(command, { signal, onLine: line => process.stderr.write(`  ${line}\n`) });
  const { code, tail } = await child.exited;
  if (code !== 0) throw new UserError(`Expected ${command.slice(0, 3).join(' ')} to end well, got: ${tail.at(-1)}`);
}

await asCommand(() => main(process.argv.slice(2)));
