/** `retinopathy score`: an archive without grades, by the networks of a finished run, as a submission. */
import { join, resolve } from 'node:path';
import colors from 'picocolors';
import { readRecord } from '../activities/run/records.ts';
import { inputForScoring } from '../config/archive-to-score.ts';
import { resolveInput } from '../config/resolve.ts';
import { openStore } from '../storage/open.ts';
import type { ScoreArchiveArgs } from '../workflows/score-archive.ts';
import { createConsole } from './console.ts';
import { copyReport } from './copy-report.ts';
import { workflowCode } from './execution.ts';
import { whole } from './format.ts';
import { readOutState } from './out-folder.ts';
import { sourceOf } from './run-options.ts';
import { followScoring, openScoring } from './scoring-execution.ts';
import { session } from './session.ts';
import { checkSource } from './source-check.ts';
import { checkStore, chooseStore } from './store-choice.ts';
import { UserError } from './user-error.ts';

export interface ScoreOptions {
  run?: string;
  out: string;
  source?: string;
  store?: string;
  parts?: number;
  maxQuarantined?: number;
  port?: number;
  uiPort?: number;
}

/**
 * Scores the archive on this machine, or goes on with it where it was, and writes `<out>/<archive>/submission.csv`.
 * @param archive `test.zip`
 * @returns the exit status; @throws UserError
 */
export async function score(archive: string, options: ScoreOptions): Promise<number> {
  const screen = createConsole();
  const last = await readOutState(resolve(options.out));
  const run = options.run ?? last?.run;
  if (run === undefined || (last === undefined && options.store === undefined)) {
    throw new UserError(
      `Expected --out ${resolve(options.out)} to be the folder of a run, got none: name it, or give --run and --store`,
    );
  }
  const name = archive.replace(/(\.zip)?$/, '');
  const request: ScoreArchiveArgs = {
    run,
    archive: { name: `${name}.zip`, ...(options.parts !== undefined && { parts: options.parts }) },
    ...(options.source !== undefined && { source: await sourceOf(options.source) }),
    ...(options.maxQuarantined !== undefined && { maxQuarantined: options.maxQuarantined }),
  };
  const store = await chooseStore(options, { path: resolve(options.out) }, last);
  const artifacts = await openStore(store);
  const record = await readRecord(artifacts, run);
  if (!record?.stages.regress?.finished) {
    throw new UserError(
      `Expected run ${run} in ${store} to be finished, got ${record ? 'one that is not' : 'none'}: let it come to its end first`,
    );
  }
  await checkSource(asInput(() => resolveInput(inputForScoring(record.input, request))));

  return session({ screen, folder: options.out }, async session => {
    await session.race(checkStore(artifacts));
    const embedded = await session.start({ store, port: options.port, uiPort: options.uiPort });
    const { client } = embedded;
    const id = `${run}-${name}`;
    const handle = await session.race(openScoring(client, id, { request, store, code: await workflowCode() }));
    screen.line(`  ${colors.bold(`${name}.zip`)} by the networks of ${run}`);
    screen.line(`  Web UI  ${colors.cyan(`${embedded.uiUrl}/namespaces/default/workflows/${id}`)}\n`);
    const followed = session.beside(followScoring(client, handle, screen, session.signal));
    const { folder, counts } = await session.race(Promise.race([embedded.broken, followed]));
    const to = join(session.out.path, name);
    await copyReport(artifacts, folder, to);
    for (const line of submissionLines(counts)) screen.line(line);
    screen.line(`\n  ${colors.cyan(join(to, 'submission.csv'))}`);
    screen.line(`  Hand it in: retinopathy submit ${join(to, 'submission.csv')} --message '…'`);
    return 0;
  });
}

/** What the submission says, and of which pictures no network could say it. */
function submissionLines(counts: Record<string, number>): string[] {
  const n = (key: string) => counts[key] ?? 0;
  const stages = [0, 1, 2, 3, 4].map(stage => `${stage}: ${whole(n(`stage${stage}`))}`).join('  ');
  const lines = [`\n  ${whole(n('pictures'))} pictures scored. Stages  ${stages}`];
  if (n('quarantined') > 0) {
    lines.push(
      `  ${whole(n('quarantined'))} set aside: ${whole(n('byFellow'))} got their fellow eye's stage, ${whole(n('byMajority'))} the most frequent one`,
    );
  }
  return lines;
}

function asInput<Input>(make: () => Input): Input {
  try {
    return make();
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}
