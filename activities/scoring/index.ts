/** An archive without grades: what is to be scored, and what is handed in. */
import { getArtifact, putBytes } from '../../storage/files.ts';
import { runFolder } from '../../storage/key-names.ts';
import { imagesOf, parseLabels } from '../download/labels.ts';
import { finalFailure } from '../failures.ts';
import { withHeartbeat } from '../heartbeat.ts';
import { parseQuarantine } from '../images/quarantine.ts';
import { readIndexes } from '../labels/shards.ts';
import type { Judgement } from '../regression/metrics.ts';
import { readOutput, storeOver } from '../regression/stored-files.ts';
import type { ActivityServices } from '../services.ts';
import { planDatabases } from './plan.ts';
import { parseArchiveScores, predictStages, type ScoredPicture } from './predict.ts';
import { checkNames, fillSubmission, formatSubmission, SampleMismatch, type SubmittedEye } from './submission.ts';
import type {
  PlannedScoring,
  PlanScoringArgs,
  PublishSubmissionArgs,
  ScoringActivities,
  WriteSubmissionArgs,
  WrittenSubmission,
} from './types.ts';

const SUBMISSION = 'submission.csv';
const PREDICTIONS = 'predictions.csv';

export function createScoringActivities({ store, log }: ActivityServices): ScoringActivities {
  async function namesOf(sample: PlanScoringArgs['sample']): Promise<string[]> {
    return imagesOf(parseLabels(await getArtifact(store, sample), sample.key));
  }

  async function plan(args: PlanScoringArgs): Promise<PlannedScoring> {
    const { prefix, prepare, archive, images, training } = args;
    const sample = await namesOf(args.sample);
    const shards = await readIndexes(store, prepare);
    const pictures = shards.flatMap(({ index }) => index.pictures.map(({ image }) => image));
    const quarantine = parseQuarantine((await readOutput(store, prepare, 'quarantine.jsonl')).toString('utf8'));
    // An entry may be set aside because its picture is there already: that is one picture.
    const prepared = new Set(pictures);
    const aside = new Set(quarantine.flatMap(({ image }) => (image === null || prepared.has(image) ? [] : [image])));
    checked(() => checkNames(archive.name, [...pictures, ...aside], sample));
    const databases = planDatabases(pictures, images.versions, training.batch);
    return {
      plan: await putBytes(store, `${prefix}/plan.json`, JSON.stringify(databases)),
      databases: Object.keys(databases.databases),
      pictures: pictures.length,
      quarantined: aside.size,
    };
  }

  async function write(args: WriteSubmissionArgs): Promise<WrittenSubmission> {
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
    checked(() => checkNames(SUBMISSION, imagesOf({ csv }), sample));
    const counts = countLines(eyes);
    log.info(counts, 'submission written');
    return {
      submission: await putBytes(store, `${prefix}/${SUBMISSION}`, csv),
      predictions: await putBytes(store, `${prefix}/${PREDICTIONS}`, formatPredictions(eyes, predicted)),
      counts,
    };
  }

  async function publish({ run, prefix }: PublishSubmissionArgs): Promise<string> {
    const folder = `${runFolder(run)}/report/`;
    for (const name of [PREDICTIONS, SUBMISSION]) {
      await storeOver(store, `${folder}${name}`, await readOutput(store, prefix, name));
    }
    return folder;
  }

  return {
    planScoring: args => withHeartbeat(() => plan(args)),
    writeSubmission: args => withHeartbeat(() => write(args)),
    publishSubmission: args => withHeartbeat(() => publish(args)),
  };
}

/** No retry brings the pictures of another archive. */
function checked(check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof SampleMismatch)) throw error;
    throw finalFailure('BadInput', `${error.message}: do archive and sample belong together?`, error);
  }
}

function countLines(eyes: readonly SubmittedEye[]): Record<string, number> {
  const from = (origin: SubmittedEye['from']) => eyes.filter(eye => eye.from === origin).length;
  const stages = [0, 1, 2, 3, 4].map(stage => [`stage${stage}`, eyes.filter(({ level }) => level === stage).length]);
  return {
    ...{ byNetworks: from('networks'), byFellow: from('fellow'), byMajority: from('majority') },
    ...Object.fromEntries(stages),
  };
}

/** `image,p0,p1,p2,p3,expected,level,from`; a picture that no network has seen has no probabilities. */
function formatPredictions(eyes: readonly SubmittedEye[], predicted: readonly ScoredPicture[]): string {
  const byImage = new Map(predicted.map(picture => [picture.image, picture]));
  const lines = eyes.map(({ image, level, from }) => {
    const { p, expected } = byImage.get(image) ?? { p: ['', '', '', ''], expected: '' };
    return `${image},${p.join(',')},${expected},${level},${from}\n`;
  });
  return `image,p0,p1,p2,p3,expected,level,from\n${lines.join('')}`;
}
