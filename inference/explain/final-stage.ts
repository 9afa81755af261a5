/** Computes the contribution of each feature to the regression's score of an eye. */
import { type FoldRow, joinScores, type ScoredEye, type ScoreTable } from '../../activities/regression/eyes.ts';
import { buildFeatures, fellowOf } from '../../activities/regression/features.ts';
import { settingsOf } from '../../activities/regression/fit.ts';
import { gradeEyes } from '../../activities/regression/predict-grade.ts';
import { readOutput } from '../../activities/regression/stored-files.ts';
import { parseFolds, parseScores } from '../../activities/regression/tables.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import type { TrainedRun } from '../trained-run.ts';

export interface FinalStage {
  /** Evaluated version, only with `folds.unit: record`. */
  version: string | null;
  /** `stored` for the run's own scores, `scored now` for a training eye, which the run has never scored. */
  from: 'stored' | 'scored now';
  /** P(grade > k), mean over the versions. */
  p: number[];
  /** `share` is `weight` × `value`. The shares and the intercept add up to `expected`. */
  features: { name: string; value: number; weight: number; share: number }[];
  intercept: number;
  expected: number;
  cuts: number[];
  predicted: number;
  /** Image whose probabilities are the fellow eye's features, the eye itself where it has no fellow; null without such features. */
  fellow: string | null;
}

/** Scores images with the chosen networks. Returns a table for each network, as in its `scores.csv`. */
export type ScoreNow = (images: readonly string[]) => Promise<ScoreTable[]>;

/** Computes the final grade of an eye. @param scoreNow called only for an eye of the training fold */
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

/** Scores training eyes now. Eyes without a stored score get the test fold, as `joinScores` leaves out training eyes. */
async function trainingScores(
  folds: readonly FoldRow[],
  images: readonly string[],
  scoreNow: ScoreNow,
): Promise<[FoldRow[], ScoreTable[]]> {
  const rows = images.flatMap(image => folds.filter(row => row.image === image).slice(0, 1));
  const unknown = { level: 0, fold: 'test', version: null } as const;
  return [rows.map(row => ({ ...row, ...unknown })), await scoreNow(rows.map(({ image }) => image))];
}
