/** Scores an archive without grades by the networks and the regression of a finished run, for submission to the competition. */
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  setCurrentDetails,
  workflowInfo,
} from '@temporalio/workflow';
import { z } from 'zod';
import type { TrainingArgs } from '../activities/training/types.ts';
import { inputForScoring, type ScoringRequest } from '../config/archive-to-score.ts';
import { layoutsOf } from '../config/training.ts';
import type { Artifact } from '../storage/store.ts';
import { labelActivities, runActivities, scoringActivities, trainingActivities } from './activities.ts';
import { downloadArchive } from './download-archive.ts';
import { argumentOf, onQuery, onSignal } from './handlers.ts';
import { trainingName } from './ids.ts';
import { pool } from './map-concurrently.ts';
import { archiveOf, prepareImages } from './prepare-images.ts';
import { initialScoring, type ScoringStep, scoringDetails } from './progress.ts';
import { progressSignal, retryingSignal, scoringQuery } from './signals.ts';
import { asStage, type StageResult, startOwnChild } from './stage.ts';
import { checkRunId, locate, required, type Upstream } from './stage-input.ts';

export interface ScoreArchiveArgs extends ScoringRequest {
  /** ID of a finished run in the store. */
  run?: string;
}

export interface ScoreArchiveResult {
  run: string;
  /** `runs/<id>/report/` in the store: submission.csv, predictions.csv. */
  folder: string;
  /** Images, quarantined images, and lines by origin and grade. */
  counts: Record<string, number>;
}

/** Databases that are built and scored at once. */
const DATABASES_AT_ONCE = 8;

const scoreArgs: z.ZodType<ScoreArchiveArgs> = z.object({
  run: z.string().exactOptional(),
  // Unknown fields are rejected later, with the whole input.
  archive: z.union([z.string(), z.looseObject({ name: z.string().exactOptional() })]).exactOptional(),
  source: z.string().exactOptional(),
  maxQuarantined: z.number().exactOptional(),
});

export async function scoreArchive(given: ScoreArchiveArgs = {}): Promise<ScoreArchiveResult> {
  const id = workflowInfo().workflowId;
  checkRunId(id);
  const args = argumentOf(scoreArgs, given);
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
  onQuery(scoringQuery, () => progress, 'Steps and counts: for machines');
  // The terminal reads retries from the server.
  onSignal(retryingSignal, _ => {});
  onSignal(progressSignal, message => {
    if (message.kind !== 'stage' || !(message.stage in progress.steps)) return;
    // Late messages of a finished step are ignored.
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

  const child = (name: 'download' | 'prepare', summary: string, workflow: typeof prepareImages, upstream: Upstream) =>
    step(name, async () => {
      const options = { workflowId: `${id}/${name}`, staticSummary: summary };
      const started = await startOwnChild(workflow, { ...options, args: [{ run: id, input, upstream }] });
      return started.result();
    });
  const downloaded = await child('download', `the parts of ${input.archive.name}`, downloadArchive, {});
  const { sample } = archiveOf(await runActivities.readManifest({ stage: 'download', key: downloaded.key }));
  if (!sample) {
    throw ApplicationFailure.nonRetryable(
      'Expected a sample submission that names the pictures, got none: set `archive.sample`',
      'BadInput',
    );
  }
  const prepared = await child('prepare', 'unzip + augment', prepareImages, { download: downloaded.key });

  const scored = await step('score', () =>
    asStage(
      {
        ...{ run: id, stage: 'score' },
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
            return { place, train: `stages/train/${key}`, snapshot, epoch };
          }),
        );

        const { plan, databases, pictures, quarantined } = planned;
        let done = 0;
        note('score', { of: databases.length * networks.length, reason, counts: { pictures } });
        const byDatabase = await pool(databases.length, DATABASES_AT_ONCE, async n => {
          const name = databases[n]!;
          const database = await labelActivities.buildDatabase.executeWithOptions({ summary: `database ${name}` }, [
            { ...from, plan, name, training },
          ]);
          return Promise.all(
            networks.map(async ({ place, train, snapshot, epoch }) => {
              const { scores } = await trainingActivities.scoreDatabase.executeWithOptions(
                { summary: `${place.name} · ${name} with epoch ${epoch}` },
                [{ ...place, prefix, train, snapshot, plan, database }],
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
  const { ignored } = prepared.counts;
  return { run: id, folder, counts: { ...scored.counts, ...(ignored !== undefined && { ignored }) } };
}
