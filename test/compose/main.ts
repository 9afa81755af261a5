/** `npm run test:compose`: docker-compose.yml for real, brought up, used, harmed, and taken down with its volumes. */
import { Command, CommanderError } from 'commander';
import { Stopped } from '../../cli/local/interrupt.ts';
import { UserError } from '../../lib/user-error.ts';
import { count } from '../bench/support/numbers.ts';
import { stoppable } from '../bench/support/stoppable.ts';
import { demo } from './demo.ts';
import { many } from './many.ts';
import { scale } from './scale.ts';
import { needEngine, Stack } from './stack.ts';

const report = (line: string) => process.stdout.write(`${line}\n`);

async function onStack(
  work: (stack: Stack, signal: AbortSignal) => Promise<void>,
  files: readonly string[] = [],
): Promise<void> {
  report(await needEngine());
  await stoppable(async signal => {
    const stack = await Stack.create({ signal, report, files });
    try {
      await work(stack, signal);
    } catch (error) {
      if (!signal.aborted) process.stderr.write(`${await stack.logs()}\n`);
      throw error;
    } finally {
      await stack.down();
      report('everything is down, volumes and all');
    }
  });
}

const program = new Command('npm run test:compose --')
  .description('docker-compose.yml for real; needs a Docker engine, and the images it names or a way to pull them')
  .exitOverride();
program
  .command('demo', { isDefault: true })
  .description('the demo by `temporal workflow start`, then again with every service killed in turn')
  .option('--small', 'a smaller run than the demo')
  .action(({ small }) => onStack(stack => demo(stack, report, small)));
program
  .command('many')
  .description('many pipelines with tiny inputs at once')
  .option('--pipelines <n>', 'how many', count, 100)
  .action(({ pipelines }) => onStack((stack, signal) => many(stack, pipelines, signal, report)));
program
  .command('scale')
  .description('preparing by one and by two cpu workers of half a core each')
  .action(() => onStack(stack => scale(stack, report), ['half-a-core.yml']));

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode;
  else {
    process.stderr.write(`${(error as Error).message}\n`);
    process.exitCode = error instanceof UserError || error instanceof Stopped ? error.exitCode : 1;
  }
}
