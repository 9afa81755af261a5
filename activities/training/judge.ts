/** Lets a snapshot judge the records of a database. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PlannedRecord, parseRecord } from '../labels/plan.ts';
import type { ActivityServices } from '../services.ts';
import { judgingBatch, testRecords } from './caffe-test.ts';
import type { Cards } from './cards.ts';
import { stated, type TrainingInputs } from './inputs.ts';
import { testNet } from './judging-net.ts';
import { FILES } from './network.ts';
import { placeModel, unlessRefused } from './pair.ts';
import { printPrototxt } from './prototxt.ts';
import { inWorkspace, placeDatabase, placeNetFiles } from './workspace.ts';

export interface JudgedRecord extends PlannedRecord {
  /** P(stage > k) for each head, in their order. */
  p: number[];
}

export interface JudgeOptions {
  /** Key of the segment whose snapshot judges. */
  snapshot: string;
  /** `val`, `test`, or one that was trained on. */
  database: string;
  /** Only so many, from the first on; default: all. */
  most?: number | undefined;
  onProgress: (done: number, of: number) => void;
  signal: AbortSignal;
}

/** @returns the records of the database, each once and in its order */
export async function judge(
  services: ActivityServices,
  cards: Cards,
  inputs: TrainingInputs,
  { snapshot, database, most, onProgress, signal }: JudgeOptions,
): Promise<JudgedRecord[]> {
  const { heads } = inputs.options;
  const records = inputs.plan.databases[database]!.slice(0, most).map(parseRecord);
  const batch = judgingBatch(inputs.options.batch, records.length);
  const probabilities = await inWorkspace(services, 'judge', async folder => {
    await placeNetFiles(services, inputs, folder);
    await placeDatabase(services, inputs.databases.get(database)!, folder);
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
        throw await unlessRefused(services, snapshot, error);
      }),
    );
  });
  return records.map((record, i) => ({ ...record, p: probabilities[i]! }));
}
