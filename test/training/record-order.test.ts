/** Caffe reads the planned records in the planned order: every picture's colour is its number, and the net prints what it sees. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTrainingActivities } from '../../activities/training/index.ts';
import { epochOrder } from '../../activities/training/segment-keys.ts';
import type { TrainingArgs } from '../../activities/training/types.ts';
import type { Caffe } from '../../lib/tools/caffe-command.ts';
import { testCaffe } from '../support/caffe.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { LABEL, labelStage, prepareStage, runActivity, tinyInput } from './prepared.ts';

const EPOCHS = 3;
const SIZE = 32;
const BATCH = 4;

/** Prints the mean of each channel of each record: blue, green, red. Nothing is mirrored, scaled or taken away. */
const PRINTING_NET = `
name: "printing"
layer { name: "data" type: "Data" top: "data" top: "stage" transform_param { mean_value: 0 } data_param { source: "database" backend: LMDB batch_size: 4 } }
layer { name: "label" type: "Threshold" bottom: "stage" top: "label" threshold_param { threshold: 0.5 } }
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean" pooling_param { pool: AVE global_pooling: true } }
layer { name: "seen" type: "Power" bottom: "mean" top: "seen" }
layer { name: "score" type: "InnerProduct" bottom: "mean" top: "score" param { lr_mult: 0 } param { lr_mult: 0 } inner_product_param { num_output: 2 weight_filler { type: "constant" value: 0 } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }
`;

let services: TestServices;
let log: string;
/** Number of each picture by its name. */
const numbers = new Map<string, number>();

beforeAll(async () => {
  services = await testServices({ caffe: testCaffe });
  const colour = (name: string) => {
    const number = numbers.size;
    numbers.set(name, number);
    return [number % 16, Math.floor(number / 16), 77] as const;
  };
  const input = tinyInput({ batch: BATCH, epochs: EPOCHS, segmentsPerEpoch: 3 });
  const prepared = await prepareStage(services.store, 20, { size: SIZE, colour });
  await labelStage(services, prepared, { ...input, images: { ...input.images, size: SIZE } });
  await writeFile(join(services.folder, 'printing.prototxt'), PRINTING_NET);
  log = join(services.folder, 'caffe.log');
});

afterAll(() => services.close());

/** Caffe that displays every iteration and keeps its log, unless it is killed, at its first batch, as by a machine that vanishes. */
function talkative(caffe: Caffe, killed: () => boolean): Caffe {
  const script = `log=$1; killed=$2; shift 2
    sed -i 's/^display: .*/display: 1/' solver.prototxt
    "$@" 2>&1 | while read -r line; do
      echo "$line" >&2
      $killed || echo "$line" >>"$log"
      case $line in *"seen = "*) $killed && kill -9 0;; esac
    done`;
  return {
    ...caffe,
    command: (tool, args) => {
      const command = caffe.command(tool, args);
      return args[0] === 'train' ? ['/bin/sh', '-c', script, 'sh', log, String(killed()), ...command] : command;
    },
  };
}

/** Numbers of the pictures in the order of the log: a display line, then the net's outputs; red is the last channel. */
async function picturesSeen(): Promise<number[]> {
  const values = [...(await readFile(log, 'utf8')).matchAll(/Train net output #\d+: seen = (\S+)/g)].map(([, value]) =>
    Number(value),
  );
  return Array.from({ length: values.length / 3 }, (_, i) => values[3 * i + 2]! + 16 * values[3 * i + 1]!);
}

test('every record once an epoch, in the order of its plan, whoever was killed', async () => {
  const input = tinyInput({
    ...{ batch: BATCH, epochs: EPOCHS, segmentsPerEpoch: 3 },
    network: `file:${join(services.folder, 'printing.prototxt')}`,
  });
  const args: TrainingArgs = {
    ...{ run: 'order', name: 'train-0-vs-1234', heads: [0], label: LABEL, training: input.training },
    images: { ...input.images, size: SIZE },
  };
  let kill = false;
  const caffe = talkative(await testCaffe(), () => kill);
  const { trainSegment } = createTrainingActivities({ ...services, caffe: async () => caffe });
  let previous: string | null = null;
  for (let segment = 0; segment < 3 * EPOCHS; segment++) {
    kill = segment % 2 === 1;
    if (kill)
      await expect(runActivity(trainSegment, { ...args, segment, previous })).rejects.toMatchObject({
        code: 'SIGKILL',
      });
    kill = false;
    previous = (await runActivity(trainSegment, { ...args, segment, previous })).key;
  }

  const plan = JSON.parse((await services.store.get(`${LABEL}/plan.json`)).toString());
  const names = Object.keys(plan.databases).filter(name => name.startsWith('train-'));
  const databases = names.map(name => ({ name, records: plan.databases[name].length, checksum: '' }));
  const planned = Array.from({ length: EPOCHS }, (_, i) =>
    epochOrder({ databases, batch: BATCH, seed: input.training.seed }, i + 1),
  )
    .flat()
    .flatMap(({ name }) => plan.databases[name] as string[])
    .map(record => numbers.get(record.split('.png ')[0]!)!);

  const perEpoch = planned.length / EPOCHS;
  expect(new Set(planned.slice(0, perEpoch)).size).toBe(perEpoch);
  expect(await picturesSeen()).toEqual(planned);
});
