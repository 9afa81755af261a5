/** Runs the judging net of a folder over the database beside it, and reads what Caffe prints of each record. */
import { finalFailure } from '../failures.ts';
import { FILES, probabilityOutput, STAGE_OUTPUT } from './network.ts';
import { CaffeError, type CaffeOptions, runCaffe } from './run-caffe.ts';

export interface CaffeTest extends CaffeOptions {
  /** Thresholds k that the net has heads for. */
  heads: readonly number[];
  /** The stage that each record of the database holds, in its order. */
  stages: readonly number[];
  /** Records at once, as the net has it. */
  batch: number;
  /** Arguments that make Caffe use a graphics card. */
  card: readonly string[];
  /** What is judged and by what, for error messages. */
  database: string;
  snapshot: string;
  onProgress: (done: number) => void;
}

/** Records that are judged at once: no more than there are. */
export function judgingBatch(batch: number, records: number): number {
  return Math.min(batch, records);
}

/**
 * Judges with `FILES.net`, `FILES.weights` and `FILES.database` in `cwd`.
 * @returns P(stage > k) for each record and head
 * @throws CaffeError; non-retryable failures where the database is not the expected one, or the weights give no numbers
 */
export async function testRecords(test: CaffeTest): Promise<number[][]> {
  const { heads, stages, batch, card, database, snapshot, onProgress } = test;
  const batches = Math.ceil(stages.length / batch);
  const outputs = new Map<string, number[]>([STAGE_OUTPUT, ...heads.map(probabilityOutput)].map(name => [name, []]));
  await runCaffe(
    'caffe',
    ['test', `--model=${FILES.net}`, `--weights=${FILES.weights}`, `--iterations=${batches}`, ...card],
    {
      ...test,
      onEvent: event => {
        if (event.kind !== 'batch') return;
        outputs.get(event.name)?.push(event.value);
        onProgress(Math.min(event.batch * batch, stages.length));
      },
    },
  );
  const echoes = outputs.get(STAGE_OUTPUT)!;
  const probabilities = heads.map(k => outputs.get(probabilityOutput(k))!);
  const elements = batches * batch;
  if (echoes.length !== elements || probabilities.some(values => values.length !== 2 * elements))
    throw new CaffeError(`Expected Caffe to judge ${elements} records, got ${echoes.length}`);
  // The last batch wraps around to the first record: what comes after the last record is dropped.
  return stages.map((stage, i) => {
    if (echoes[i] !== stage) {
      throw finalFailure(
        'Defect',
        `Expected record ${i} of ${database} to hold stage ${stage}, got ${echoes[i]}: the database is not the planned one`,
      );
    }
    const p = probabilities.map(values => values[2 * i + 1]!);
    if (!p.every(Number.isFinite))
      throw finalFailure(
        'Diverged',
        `Expected probabilities from the snapshot ${snapshot}, got ${p.join(', ')}: lower \`training.baseRate\``,
      );
    return p;
  });
}
