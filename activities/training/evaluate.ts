/** Evaluates a snapshot on the records of a database, and computes its metrics. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rocAuc } from '../../lib/roc.ts';
import { distrustCopy } from '../../storage/cache.ts';
import { testNet } from '../caffe/inference-net.ts';
import { FILES, probabilityOutput, STAGE_OUTPUT } from '../caffe/network.ts';
import { printPrototxt } from '../caffe/prototxt.ts';
import { CaffeError, type CaffeOptions, type Cards, runCaffe } from '../caffe/run-caffe.ts';
import { type ActivityServices, inWorkspace } from '../dependencies.ts';
import { finalFailure } from '../failures.ts';
import { type PlannedRecord, parseRecord } from '../labels/database-plan.ts';
import { stated, type TrainingInputs } from './inputs.ts';
import { placeModel, unlessRefused } from './snapshot.ts';
import { placeDatabase, placeNetFiles } from './workspace.ts';

export interface JudgedRecord extends PlannedRecord {
  /** P(grade > k) by head, in order. */
  p: number[];
}

export interface JudgeOptions {
  /** Key of the segment whose snapshot is evaluated. */
  snapshot: string;
  /** `val`, `test`, or a training database. */
  database: string;
  /** Maximum number of records, from the first on; all by default. */
  most?: number | undefined;
  onProgress: (done: number, of: number) => void;
  signal: AbortSignal;
}

/** Computes probabilities. @returns the records of the database with them, each once and in order */
export async function judge(
  services: ActivityServices,
  cards: Cards,
  inputs: TrainingInputs,
  { snapshot, database, most, onProgress, signal }: JudgeOptions,
): Promise<JudgedRecord[]> {
  const { heads } = inputs.options;
  const records = inputs.plan.databases[database]!.slice(0, most).map(parseRecord);
  const batch = Math.min(inputs.options.batch, records.length);
  const probabilities = await inWorkspace(services, 'judge', async folder => {
    await placeNetFiles(services, inputs, folder);
    const copy = await placeDatabase(services, inputs.databases.get(database)!, folder);
    await placeModel(services, snapshot, folder, FILES.weights);
    const net = stated(() => testNet(inputs.template, { ...inputs.options, batch }));
    await writeFile(join(folder, FILES.net), printPrototxt(net));
    const caffe = await services.caffe();
    return cards.use(card =>
      testRecords({
        ...{ caffe, cwd: folder, signal, card, heads, batch, database, snapshot },
        stages: records.map(({ stage }) => stage),
        onProgress: done => onProgress(done, records.length),
      }).catch(async error => {
        distrustCopy(copy);
        throw await unlessRefused(services, snapshot, error);
      }),
    );
  });
  return records.map((record, i) => ({ ...record, p: probabilities[i]! }));
}

/** Lower bound of probabilities: Caffe prints six digits, so a printed 0 may be as large as this. */
const SMALLEST = 1e-7;

/**
 * Computes the metrics over all records, by head in order: area under the ROC curve, share on the correct side of 0.5,
 * mean −ln P(true class).
 */
export function evaluate(records: readonly JudgedRecord[], heads: readonly number[]) {
  const perHead = heads.map((k, head) => {
    const positive = records.map(({ stage }) => (stage > k ? 1 : 0));
    const scores = records.map(({ p }) => p[head]!);
    const mean = (of: (score: number, positive: number) => number) =>
      scores.reduce((sum, score, i) => sum + of(score, positive[i]!), 0) / scores.length;
    return {
      auc: rocAuc(positive, scores),
      accuracy: mean((score, truth) => (score > 0.5 ? truth : 1 - truth)),
      loss: mean((score, truth) => -Math.log(Math.max(truth === 1 ? score : 1 - score, SMALLEST))),
    };
  });
  return {
    auc: perHead.map(({ auc }) => auc),
    accuracy: perHead.map(({ accuracy }) => accuracy),
    loss: perHead.map(({ loss }) => loss),
  };
}

export interface CaffeTest extends CaffeOptions {
  /** Thresholds k of the heads of the net. */
  heads: readonly number[];
  /** Grades of the records of the database, in order. */
  stages: readonly number[];
  /** Batch size of the net. */
  batch: number;
  /** Arguments that make Caffe use a GPU. */
  card: readonly string[];
  /** Names of the database and the snapshot, for error messages. */
  database: string;
  snapshot: string;
  onProgress: (done: number) => void;
}

/**
 * Runs inference with `FILES.net`, `FILES.weights` and `FILES.database` in `cwd`.
 * @returns P(grade > k) for each record and head
 * @throws CaffeError; non-retryable failures if the database is not the expected one, or the outputs are not finite
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
  // The last batch wraps around to the first record; values after the last record are dropped.
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
