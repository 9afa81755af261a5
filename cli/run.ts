/** `retinopathy run`: the whole job on one machine, from nothing to a report. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import colors from 'picocolors';
import type { PipelineInput } from '../config/input.ts';
import { STAGES } from '../config/stages.ts';
import { runFolder } from '../storage/key-names.ts';
import { openStore } from '../storage/open.ts';
import type { ArtifactStore } from '../storage/store.ts';
import type { Progress } from '../workflows/progress.ts';
import type { PipelineResult } from '../workflows/retinopathy-pipeline.ts';
import { type Console, createConsole } from './console.ts';
import { copyReport } from './copy-report.ts';
import type { Embedded } from './embedded.ts';
import { type Execution, openExecution, resultOf, runId, workflowCode } from './execution.ts';
import { follow } from './follow.ts';
import { duration } from './format.ts';
import { keepReport } from './live-report.ts';
import type { OutFolder } from './out-folder.ts';
import { inputOf, type RunOptions } from './run-options.ts';
import { session } from './session.ts';
import { checkRoom, checkSource, roomHere } from './source-check.ts';
import { Stopped } from './stop-signal.ts';
import { checkStore, chooseStore } from './store-choice.ts';
import { type SummaryMetrics, summaryLines } from './summary.ts';

/** What comes over a run on purpose. */
export interface Attack {
  /** Goes on until `signal` is aborted, or nothing is left to do. */
  on(embedded: Embedded, screen: Console, signal: AbortSignal): Promise<void>;
  /** Sees how far the run is. */
  see(progress: Progress): void;
  /** What is to be seen of it on a terminal. */
  lines(): string[];
}

export interface RunHooks {
  attack?: Attack;
  /** The end says where the report is, and no figure of it. */
  brief?: boolean;
}

/**
 * Runs the pipeline, or goes on with it where it was.
 * @returns the exit status
 * @throws UserError
 */
export async function run(options: RunOptions, { attack, brief = false }: RunHooks = {}): Promise<number> {
  const started = Date.now();
  const screen = createConsole();
  const input = await inputOf(options);
  const wanted = await checkSource(input);
  return session({ screen, folder: options.out, discardable: true }, async session => {
    const { out, signal } = session;
    const last = await out.readState();
    const store = await chooseStore(options, out, last);
    // A run that has begun has taken its room already.
    if (!last) await checkRoom(out.path, roomHere(wanted, store));
    const artifacts = await openStore(store);
    await session.race(checkStore(artifacts));
    const plan = { run: runId(input), input, store, code: await workflowCode() };
    await out.writeState({ run: plan.run, store });

    const { port, uiPort } = options;
    const embedded = await session.start({ store, port, uiPort, expectKills: attack !== undefined });
    const { client } = embedded;
    const execution = await session.race(openExecution(client, plan));
    greet(screen, execution, embedded, out, plan.run);

    const { handle } = execution;
    const seeing = attack && { onProgress: attack.see, below: attack.lines };
    const followed = session.beside(
      follow({ client, handle, run: plan.run, screen, out: out.path, signal, ...seeing }),
    );
    const attacking = new AbortController();
    const attacked =
      attack && execution.how !== 'finished'
        ? session.beside(attack.on(embedded, screen, AbortSignal.any([signal, attacking.signal])))
        : undefined;
    const keeping = new AbortController();
    const folder = `${runFolder(plan.run)}/report/`;
    const kept = session.beside(keepReport(artifacts, folder, out.report, AbortSignal.any([signal, keeping.signal])));
    await session.race(Promise.race([embedded.broken, followed]));
    // Nothing is killed that the end still needs.
    attacking.abort();
    await attacked;
    const result = await session.race(resultOf(handle));
    // Two that copy the same file would meet.
    keeping.abort();
    await kept;
    await farewell(screen, artifacts, result, out, input, started, brief);

    if (options.keep ?? screen.terminal) {
      await embedded.stopWorkers(['cpu', 'gpu']);
      screen.line(`\n  The Web UI stays at ${colors.cyan(embedded.uiUrl)} until Ctrl-C.`);
      await session.race(embedded.broken).catch(error => {
        if (!(error instanceof Stopped)) throw error;
      });
    }
    return 0;
  });
}

function greet(screen: Console, execution: Execution, embedded: Embedded, out: OutFolder, run: string): void {
  for (const note of execution.notes) screen.line(colors.yellow(`  ${note}`));
  const how = { started: 'Started', resumed: 'Going on with', finished: 'Finished before:' }[execution.how];
  screen.line(`  ${how} ${colors.bold(run)}, everything in ${out.path}`);
  screen.line(`  Web UI  ${colors.cyan(`${embedded.uiUrl}/namespaces/default/workflows/${run}`)}`);
  screen.line();
}

/** Copies the report out of the store and prints what it says. */
async function farewell(
  screen: Console,
  store: ArtifactStore,
  result: PipelineResult,
  out: OutFolder,
  input: PipelineInput,
  started: number,
  brief: boolean,
): Promise<void> {
  const took = duration((Date.now() - started) / 1000);
  if (result.report === null) {
    screen.line(`\n  Stopped after ${input.until}, as asked, in ${took}. The store holds the rest for the next run.`);
    if (STAGES.indexOf(input.until) < STAGES.indexOf('prepare')) return;
    await copyReport(store, `${runFolder(result.run)}/report/`, out.report);
    screen.line(`  Pictures  ${colors.cyan(pathToFileURL(join(out.report, 'augmentation.png')).href)}`);
    return;
  }
  await copyReport(store, result.report, out.report);
  if (!brief) {
    const metrics = JSON.parse(await readFile(join(out.report, 'metrics.json'), 'utf8')) as SummaryMetrics;
    screen.line();
    for (const line of summaryLines(metrics)) screen.line(line);
  }
  screen.line(`\n  Report  ${colors.cyan(pathToFileURL(join(out.report, 'report.html')).href)}   (${took})`);
}
