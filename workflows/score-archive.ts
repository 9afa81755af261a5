/** An archive without grades, scored by the networks and the regression of a finished run: what is handed in to the competition. */
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  executeChild,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { TrainingArgs } from '../activities/training/types.ts';
import { inputForScoring, type ScoringRequest } from '../config/archive-to-score.ts';
import { layoutsOf } from '../config/layouts.ts';
import type { Artifact } from '../storage/store.ts';
import { downloadArchive } from './download-archive.ts';
import { trainingName } from './names.ts';
import { pool } from './pool.ts';
import { archiveOf, prepareImages } from './prepare-images.ts';
import { labelActivities, runActivities, scoringActivities, trainingActivities } from './proxies.ts';
import { RECIPES } from './recipes.ts';
import { initialScoring, type ScoringStep, scoringDetails } from './scoring-progress.ts';
import { progressSignal, scoringQuery } from './signals.ts';
import { asStage, type StageResult } from './stage.ts';
import { locate, required } from './standalone.ts';

export interface ScoreArchiveArgs extends ScoringRequest {
  /** Id of a finished run in the store. */
  run?: string;
}

export interface ScoreArchiveResult {
  run: string;
  /** `runs/<id>/report/` in the store: submission.csv, predictions.csv. */
  folder: string;
  /** Pictures, those set aside, lines by origin and stage. */
  counts: Record<string, number>;
}

/** As many databases as are on their way at once. */
const DATABASES_AT_ONCE = 8;

export async function scoreArchive(args: ScoreArchiveArgs = {}): Promise<ScoreArchiveResult> {
  const id = workflowInfo().workflowId;
  const { run } = args;
  if (run === undefined || run === id) {
    throw ApplicationFailure.nonRetryable(
      `Expected \`run\` to name a finished run, got ${run === undefined ? 'nothing' : 'the id of this scoring'}: start scoreArchive with --input '{"run": "ID"}'`,
      'BadInput',
    );
  }
  const progress = initialScoring(id, run);
  const show = () => setCurrentDetails(scoringDetails(progress));
  const note = (step: ScoringStep, change: Partial<(typeof progress.steps)[ScoringStep]>) => {
    Object.assign(progress.steps[step], change);
    show();
  };
  setHandler(scoringQuery, () => progress, { description: 'Steps and counts: for machines' });
  setHandler(progressSignal, message => {
    if (message.kind !== 'stage' || !(message.stage in progress.steps)) return;
    // A step that has ended has said its last word.
    if (progress.steps[message.stage as ScoringStep].state === 'running') {
      note(message.stage as ScoringStep, message.progress);
    }
  });

  const { input: trained, upstream } = await locate({ run }, 'regress');
  const label = required(upstream, 'label', run);
  const regress = required(upstream, 'regress', run);
  const heads = layoutsOf(trained.training);
  const trainings = heads.map(each => {
    const name = trainingName(each);
    const { training, images } = trained;
    const place: TrainingArgs = { run, name, heads: each, label: `stages/label/${label}`, training, images };
    return { place, key: required(upstream, name, run) };
  });
  const { input } = await runActivities.resolveInput.executeWithOptions({ summary: 'check the input' }, [
    { run: id, input: inputForScoring(trained, args) },
  ]);
  progress.archive = input.archive.name;
  progress.state = 'running';

  async function step(name: ScoringStep, work: () => Promise<StageResult>): Promise<StageResult> {
    note(name, { state: 'running', startedAt: Date.now() });
    const result = await work();
    const { reused, counts } = result;
    note(name, {
      ...{ state: reused ? 'reused' : 'done', endedAt: Date.now(), counts },
      done: progress.steps[name].of,
    });
    return result;
  }

  const downloaded = await step('download', () =>
    executeChild(downloadArchive, {
      ...{ workflowId: `${id}/download`, staticSummary: `the parts of ${input.archive.name}` },
      args: [{ run: id, input, upstream: {} }],
    }),
  );
  const { sample } = archiveOf(await runActivities.readManifest({ stage: 'download', key: downloaded.key }));
  if (!sample) {
    throw ApplicationFailure.nonRetryable(
      'Expected a sample submission that names the pictures, got none: set `archive.sample`',
      'BadInput',
    );
  }
  const prepared = await step('prepare', () =>
    executeChild(prepareImages, {
      ...{ workflowId: `${id}/prepare`, staticSummary: 'unzip + augment' },
      args: [{ run: id, input, upstream: { download: downloaded.key } }],
    }),
  );

  const scored = await step('score', () =>
    asStage(
      {
        ...{ run: id, name: 'score', stage: 'score', recipe: RECIPES.score },
        inputs: {
          prepare: prepared.key,
          sample: `${sample.crc32c}/${sample.size}`,
          ...Object.fromEntries(trainings.map(({ place, key }) => [place.name, key])),
          regress,
        },
        parameters: {},
      },
      async ({ prefix, reason }) => {
        const { images, archive } = input;
        const { training, regression } = trained;
        const from = { prefix, prepare: prepared.prefix };
        const planned = await scoringActivities.planScoring.executeWithOptions({ summary: 'compare with the sample' }, [
          { ...from, sample, archive, images, training },
        ]);
        const networks = await Promise.all(
          trainings.map(async ({ place, key }) => {
            const { snapshot, epoch } = await trainingActivities.findSnapshot.executeWithOptions(
              { summary: `${place.name} · find its network` },
              [{ ...place, train: `stages/train/${key}` }],
            );
            return { place, snapshot, epoch };
          }),
        );

        const { plan, databases, pictures, quarantined } = planned;
        let done = 0;
        note('score', { of: databases.length * networks.length, reason, counts: { pictures } });
        const byDatabase = await pool(databases.length, DATABASES_AT_ONCE, async n => {
          const name = databases[n]!;
          const database = await labelActivities.buildDatabase.executeWithOptions({ summary: `database ${name}` }, [
            { ...from, plan, name, images, training },
          ]);
          return Promise.all(
            networks.map(async ({ place, snapshot, epoch }) => {
              const { scores } = await trainingActivities.scoreDatabase.executeWithOptions(
                { summary: `${place.name} · ${name} with epoch ${epoch}` },
                [{ ...place, prefix, snapshot, plan, database }],
              );
              note('score', { done: ++done });
              return scores;
            }),
          );
        });

        const scores = networks.map((_, i) => byDatabase.map(tables => tables[i]!));
        const written = await scoringActivities.writeSubmission.executeWithOptions({ summary: 'submission.csv' }, [
          { ...from, sample, regress: `stages/regress/${regress}`, scores, regression },
        ]);
        const outputs: Record<string, Artifact> = {
          'plan.json': plan,
          'submission.csv': written.submission,
          'predictions.csv': written.predictions,
        };
        for (const table of scores.flat()) outputs[table.key.slice(prefix.length + 1)] = table;
        return { outputs, counts: { pictures, quarantined, ...written.counts } };
      },
    ),
  );
  const folder = await scoringActivities.publishSubmission.executeWithOptions(
    { summary: 'to the folder of this run' },
    [{ run: id, prefix: scored.prefix }],
  );
  progress.state = 'finished';
  show();
  await condition(allHandlersFinished);
  return { run: id, folder, counts: scored.counts };
}
