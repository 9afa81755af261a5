/** Scores an archive without grades: plans its databases, and writes the submission. */
import { getArtifact, putBytes } from '../../storage/artifacts.ts';
import { runFolder } from '../../storage/key-syntax.ts';
import type { ActivityServices } from '../dependencies.ts';
import { parseLabels } from '../download/parse-labels.ts';
import { finalWhere } from '../failures.ts';
import { withHeartbeats } from '../heartbeat.ts';
import { parseQuarantine } from '../images/quarantine.ts';
import { readIndexes } from '../images/read-shards.ts';
import { planScoring } from '../labels/database-plan.ts';
import type { Judgement } from '../regression/metrics.ts';
import { readOutput } from '../regression/stored-files.ts';
import { storeReportFile } from '../run/report-files.ts';
import {
  checkNames,
  fillSubmission,
  formatSubmission,
  parseArchiveScores,
  predictStages,
  SampleMismatch,
  type ScoredPicture,
  type SubmittedEye,
} from './submission.ts';
import type { PlanScoringArgs, ScoringActivities } from './types.ts';

const SUBMISSION = 'submission.csv';
const PREDICTIONS = 'predictions.csv';

export function createScoringActivities({ store, log }: ActivityServices): ScoringActivities {
  async function namesOf(sample: PlanScoringArgs['sample']): Promise<string[]> {
    return [...parseLabels(await getArtifact(store, sample), sample.key).levels.keys()];
  }

  return withHeartbeats<ScoringActivities>({
    async planScoring(args) {
      const { prefix, prepare, archive, images, training } = args;
      const sample = await namesOf(args.sample);
      const shards = await readIndexes(store, prepare);
      const pictures = shards.flatMap(({ index }) => index.pictures.map(({ image }) => image));
      const quarantine = parseQuarantine((await readOutput(store, prepare, 'quarantine.jsonl')).toString('utf8'));
      // An entry may be quarantined as a duplicate of an image that was prepared. Both count as one image.
      const prepared = new Set(pictures);
      const aside = new Set(quarantine.flatMap(({ image }) => (image === null || prepared.has(image) ? [] : [image])));
      await checked(() => checkNames(archive.name, [...pictures, ...aside], sample));
      const databases = planScoring(pictures, images.versions, training.batch);
      return {
        plan: await putBytes(store, `${prefix}/plan.json`, JSON.stringify(databases)),
        databases: Object.keys(databases.databases),
        pictures: pictures.length,
        quarantined: aside.size,
      };
    },

    async writeSubmission(args) {
      const { prefix, regress, regression } = args;
      const { folds, regression: model } = JSON.parse(
        (await readOutput(store, regress, 'regression.json')).toString('utf8'),
      ) as Judgement;
      const tables = [];
      for (const scores of args.scores) {
        const parts = await Promise.all(scores.map(table => getArtifact(store, table)));
        tables.push(parseArchiveScores(parts, scores[0]?.key ?? ''));
      }
      const predicted = predictStages(tables, model, regression);
      const { stages } = folds.train;
      const majority = stages.indexOf(Math.max(...stages));
      const sample = await namesOf(args.sample);
      const eyes = fillSubmission(sample, new Map(predicted.map(({ image, level }) => [image, level])), majority);
      const csv = formatSubmission(eyes);
      await checked(() =>
        checkNames(
          SUBMISSION,
          eyes.map(({ image }) => image),
          sample,
        ),
      );
      const counts = countLines(eyes);
      log.info(counts, 'submission written');
      return {
        submission: await putBytes(store, `${prefix}/${SUBMISSION}`, csv),
        predictions: await putBytes(store, `${prefix}/${PREDICTIONS}`, formatPredictions(eyes, predicted)),
        counts,
      };
    },

    async publishSubmission({ run, prefix }) {
      const folder = `${runFolder(run)}/report/`;
      for (const name of [PREDICTIONS, SUBMISSION]) {
        await storeReportFile(store, run, name, await readOutput(store, prefix, name));
      }
      return folder;
    },
  });
}

/** Runs a check and turns `SampleMismatch` into a final failure, as no retry changes the images of an archive. */
function checked(check: () => void): Promise<void> {
  return finalWhere(SampleMismatch, 'BadInput', check, ': do archive and sample belong together?');
}

function countLines(eyes: readonly SubmittedEye[]): Record<string, number> {
  const from = (origin: SubmittedEye['from']) => eyes.filter(eye => eye.from === origin).length;
  const stages = [0, 1, 2, 3, 4].map(stage => [`stage${stage}`, eyes.filter(({ level }) => level === stage).length]);
  return {
    ...{ byNetworks: from('networks'), byFellow: from('fellow'), byMajority: from('majority') },
    ...Object.fromEntries(stages),
  };
}

/** Formats `image,p0,p1,p2,p3,expected,level,from`. Images that no network has scored have no probabilities. */
function formatPredictions(eyes: readonly SubmittedEye[], predicted: readonly ScoredPicture[]): string {
  const byImage = new Map(predicted.map(picture => [picture.image, picture]));
  const lines = eyes.map(({ image, level, from }) => {
    const { p, expected } = byImage.get(image) ?? { p: ['', '', '', ''], expected: '' };
    return `${image},${p.join(',')},${expected},${level},${from}\n`;
  });
  return `image,p0,p1,p2,p3,expected,level,from\n${lines.join('')}`;
}
