/** What each probability contributes to the regression's value of an eye. */
import { type FoldRow, joinScores, type ScoredEye, type ScoreTable } from '../../activities/regression/eyes.ts';
import { buildFeatures, fellowOf } from '../../activities/regression/features.ts';
import { settingsOf } from '../../activities/regression/fit.ts';
import { gradeEyes } from '../../activities/regression/grade.ts';
import { readOutput } from '../../activities/regression/stored-files.ts';
import { parseFolds, parseScores } from '../../activities/regression/tables.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { TrainedRun } from '../trained-run.ts';

export interface FinalStage {
  /** Only with `folds.unit: record`: the version that is judged. */
  version: string | null;
  /** `stored`: the run's own scores; `scored now`: of a training eye, which the run has never scored. */
  from: 'stored' | 'scored now';
  /** P(stage > k), mean over the versions. */
  p: number[];
  /** `weight` × `value` = `share`; the shares and the intercept add up to `expected`. */
  features: { name: string; value: number; weight: number; share: number }[];
  intercept: number;
  expected: number;
  cuts: number[];
  predicted: number;
  /** The fellow eye whose probabilities take part; its own where it has none. */
  fellow: string | null;
}

/** Scores of pictures by the chosen networks, as `scores.csv` of each has them. */
export type ScoreNow = (images: readonly string[]) => Promise<ScoreTable[]>;

/** @param scoreNow asked for where the eye is of the training fold */
export async function finalStageOf(
  store: ArtifactStore,
  trained: TrainedRun,
  image: string,
  scoreNow: ScoreNow,
): Promise<FinalStage> {
  const folds = parseFolds(await readOutput(store, trained.prefixes.label!, 'folds.csv'));
  const held = folds.find(row => row.image === image && row.fold !== 'train');
  const images = [image, fellowOf(image)].filter((each, n, all) => all.indexOf(each) === n);
  const scored = held
    ? await storedScores(store, trained, folds, images)
    : joinScores(...(await trainingScores(folds, images, scoreNow)));
  const { regression } = trained.metrics;
  const eyes = gradeEyes(scored, regression, trained.input.regression);
  const at = eyes.findIndex(eye => eye.image === image && (!held || eye.version === held.version));
  const { rows } = buildFeatures(scored, settingsOf(trained.input.regression));
  const eye = eyes[at]!;
  const features = regression.features.map((name, i) => {
    const [value, weight] = [rows[at]![i]!, regression.weights[i]!];
    return { name, value, weight, share: weight * value };
  });
  const fellow = scored.find(other => other.image !== image)?.image ?? image;
  return {
    version: eye.version,
    from: held ? 'stored' : 'scored now',
    p: eye.p,
    features,
    intercept: regression.intercept,
    expected: eye.expected,
    cuts: regression.cuts,
    predicted: eye.predicted,
    fellow: trained.input.regression.fellowEye ? fellow : null,
  };
}

async function storedScores(
  store: ArtifactStore,
  { networks, prefixes }: TrainedRun,
  folds: readonly FoldRow[],
  images: readonly string[],
): Promise<ScoredEye[]> {
  const tables = await Promise.all(
    networks.map(async ({ name }) => parseScores(await readOutput(store, prefixes[name]!, 'scores.csv'), name)),
  );
  return joinScores(folds, tables).filter(eye => images.includes(eye.image));
}

/** What has no part in any judgement is judged as if it were of the test fold. */
async function trainingScores(
  folds: readonly FoldRow[],
  images: readonly string[],
  scoreNow: ScoreNow,
): Promise<[FoldRow[], ScoreTable[]]> {
  const rows = images.flatMap(image => folds.filter(row => row.image === image).slice(0, 1));
  const unknown = { level: 0, fold: 'test', version: null } as const;
  return [rows.map(row => ({ ...row, ...unknown })), await scoreNow(rows.map(({ image }) => image))];
}
