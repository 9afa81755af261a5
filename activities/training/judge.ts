/** Lets a snapshot judge the records of a database. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finalFailure } from '../failures.ts';
import { type PlannedRecord, parseRecord } from '../labels/plan.ts';
import type { ActivityServices } from '../services.ts';
import type { Cards } from './cards.ts';
import { stated, type TrainingInputs } from './inputs.ts';
import { FILES, probabilityOutput, STAGE_OUTPUT, testNet } from './network.ts';
import { placeModel, unlessRefused } from './pair.ts';
import { printPrototxt } from './prototxt.ts';
import { CaffeError, runCaffe } from './run-caffe.ts';
import { inWorkspace, placeDatabase, placeNetFiles } from './workspace.ts';

export interface JudgedRecord extends PlannedRecord {
  /** P(stage > k) for each head, in their order. */
  p: number[];
}

export interface JudgeOptions {
  /** Key of the segment whose snapshot judges. */
  snapshot: string;
  /** `val` or `test` */
  database: string;
  onProgress: (done: number, of: number) => void;
  signal: AbortSignal;
}

/** @returns every record of the database once, in its order */
export async function judge(
  services: ActivityServices,
  cards: Cards,
  inputs: TrainingInputs,
  { snapshot, database, onProgress, signal }: JudgeOptions,
): Promise<JudgedRecord[]> {
  const { heads } = inputs.options;
  const records = inputs.plan.databases[database]!.map(parseRecord);
  const batch = Math.min(inputs.options.batch, records.length);
  const batches = Math.ceil(records.length / batch);

  const outputs = new Map<string, number[]>([STAGE_OUTPUT, ...heads.map(probabilityOutput)].map(name => [name, []]));
  await inWorkspace(services, 'judge', async folder => {
    await placeNetFiles(services, inputs, folder);
    await placeDatabase(services, inputs.databases.get(database)!, folder);
    await placeModel(services, snapshot, folder, FILES.weights);
    const net = stated(() => testNet(inputs.template, { ...inputs.options, batch }));
    await writeFile(join(folder, FILES.net), printPrototxt(net));
    const caffe = await services.caffe();
    await cards.use(card =>
      runCaffe(
        'caffe',
        ['test', `--model=${FILES.net}`, `--weights=${FILES.weights}`, `--iterations=${batches}`, ...card],
        {
          caffe,
          cwd: folder,
          signal,
          onEvent: event => {
            if (event.kind !== 'batch') return;
            outputs.get(event.name)?.push(event.value);
            onProgress(Math.min(event.batch * batch, records.length), records.length);
          },
        },
      ).catch(async error => {
        throw await unlessRefused(services, snapshot, error);
      }),
    );
  });

  const stages = outputs.get(STAGE_OUTPUT)!;
  const probabilities = heads.map(k => outputs.get(probabilityOutput(k))!);
  const elements = batches * batch;
  if (stages.length !== elements || probabilities.some(values => values.length !== 2 * elements))
    throw new CaffeError(`Expected Caffe to judge ${elements} records, got ${stages.length}`);
  // The last batch wraps around to the first record: what comes after the last record is dropped.
  return records.map((record, i) => {
    if (stages[i] !== record.stage) {
      throw finalFailure(
        'Defect',
        `Expected record ${i} of ${database} to hold stage ${record.stage}, got ${stages[i]}: the database is not the planned one`,
      );
    }
    const p = probabilities.map(values => values[2 * i + 1]!);
    if (!p.every(Number.isFinite))
      throw finalFailure(
        'Diverged',
        `Expected probabilities from the snapshot ${snapshot}, got ${p.join(', ')}: lower \`training.baseRate\``,
      );
    return { ...record, p };
  });
}
