/** From the scores of an archive's pictures to their stages, by the regression of the run whose networks have scored. Pure. */
import { parse } from 'csv-parse/sync';
import { joinScores, type ScoredEye, type ScoreTable } from '../regression/eyes.ts';
import { gradeEyes, type StageModel } from '../regression/grade.ts';
import type { WriteSubmissionArgs } from './types.ts';

/** An eye with what the regression makes of it. */
export interface ScoredPicture extends Pick<ScoredEye, 'image' | 'p'> {
  expected: number;
  level: number;
}

/** Grade and fold that no picture here has; what joins them wants some. */
const UNGRADED = { level: 0, fold: 'test' } as const;

/** The tables of one training, `image,version,p<k>…`, as one. */
export function parseArchiveScores(tables: readonly Uint8Array[], name: string): ScoreTable {
  const records = tables.flatMap(
    table => parse(Buffer.from(table), { columns: true, skip_empty_lines: true }) as Record<string, string>[],
  );
  const columns = Object.keys(records[0] ?? {}).filter(column => /^p[0-3]$/.test(column));
  return {
    name,
    splits: columns.map(column => Number(column.slice(1))),
    rows: records.map(row => ({
      ...{ image: row.image ?? '', version: row.version ?? '' },
      ...UNGRADED,
      p: columns.map(column => Number(row[column])),
    })),
  };
}

/**
 * The stage of each picture that was scored: mean over its versions, then the run's weights and cuts.
 * @throws InconsistentScores when a training lacks a picture that another has scored, or a split is missing
 */
export function predictStages(
  tables: readonly ScoreTable[],
  model: StageModel,
  regression: WriteSubmissionArgs['regression'],
): ScoredPicture[] {
  const images = new Set(tables.flatMap(({ rows }) => rows.map(({ image }) => image)));
  const folds = [...images].map(image => ({ image, patient: '', ...UNGRADED, version: null }));
  return gradeEyes(joinScores(folds, tables), model, regression).map(({ image, p, expected, predicted }) => {
    return { image, p, expected, level: predicted };
  });
}
