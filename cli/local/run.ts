/** `retinopathy run`: the whole pipeline on one machine, from nothing to a report. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import colors from 'picocolors';
import type { Metrics } from '../../activities/report/types.ts';
import { faultOf } from '../../activities/run/report-files.ts';
import type { PipelineInput } from '../../config/input.ts';
import { STAGES } from '../../config/stages.ts';
import { duration } from '../../lib/format.ts';
import { storeId } from '../../storage/identity.ts';
import { openStore } from '../../storage/open.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { Progress } from '../../workflows/progress.ts';
import type { PipelineResult } from '../../workflows/retinopathy-pipeline.ts';
import { copyReport, keepReport } from '../results/copy-report.ts';
import { type Console, createConsole } from '../ui/console.ts';
import { summaryLines } from '../ui/summary.ts';
import { follow } from '../ui/watch-progress.ts';
import { Stopped } from './interrupt.ts';
import type { Embedded } from './local-cluster.ts';
import { type Execution, openExecution, resultOf, runId, storedOf } from './pipeline-client.ts';
import { checkRoom, checkSource, roomHere } from './preflight.ts';
import { checkStore, chooseStore } from './resolve-store.ts';
import type { OutFolder } from './run-dir.ts';
import { filesNamed, inputOf, type RunOptions } from './run-options.ts';
import { session } from './session.ts';

/** Faults to inject into a run. */
export interface Attack {
  /** Injects faults until `signal` is aborted, or no fault is left. */
  on(embedded: Embedded, screen: Console, signal: AbortSignal): Promise<void>;
  /** Receives the progress of the run. */
  see(progress: Progress): void;
  /** Returns the lines about the faults for a terminal. */
  lines(): string[];
}

export interface RunHooks {
  attack?: Attack;
  /** Prints only the path of the report at the end, without its figures. */
  brief?: boolean;
}

/**
 * Runs the pipeline, or resumes it.
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
    // A run that has started already occupies its space.
    if (!last) await checkRoom(out.path, roomHere(wanted, store));
    const artifacts = await openStore(store);
    await session.race(checkStore(artifacts, last?.store === store ? last : undefined));
    const id = await session.race(storeId(artifacts));
    const planned = { run: runId(input), input, store: id };
    await out.writeState({ run: planned.run, store, storeId: id });
    const stored = await session.race(storedOf(artifacts, planned.run));

    const { port, uiPort } = options;
    const embedded = await session.start({
      ...{ store, port, uiPort, expectKills: attack !== undefined },
      files: await filesNamed(input),
    });
    const { client, code } = embedded;
    const plan = { ...planned, code };
    const fault = () => faultOf(artifacts, plan.run);
    const execution = await session.race(openExecution(client, plan, stored, fault));
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
    const kept = session.beside(keepReport(artifacts, plan.run, out.report, AbortSignal.any([signal, keeping.signal])));
    await session.race(Promise.race([embedded.broken, followed]));
    // The faults end here, as the rest still needs all processes.
    attacking.abort();
    await attacked;
    const result = await session.race(resultOf(handle));
    // Two copies of the same file at once would collide.
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

/** Copies the report out of the store and prints its summary. */
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
    await copyReport(store, result.run, out.report);
    screen.line(`  Pictures  ${colors.cyan(pathToFileURL(join(out.report, 'augmentation.png')).href)}`);
    screen.line('            a row a stage, from 0 down to 4; augmentation.csv beside it names the eyes');
    return;
  }
  await copyReport(store, result.run, out.report);
  if (!brief) {
    const metrics = JSON.parse(await readFile(join(out.report, 'metrics.json'), 'utf8')) as Metrics;
    screen.line();
    for (const line of summaryLines(metrics)) screen.line(line);
  }
  screen.line(`\n  Report  ${colors.cyan(pathToFileURL(join(out.report, 'report.html')).href)}   (${took})`);
}
