/** Photographs that no stage is given to are named with the reason, and the networks are not asked. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildFeatures } from '../../activities/regression/features.ts';
import { settingsOf } from '../../activities/regression/fit.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { RECIPES } from '../../config/stages.ts';
import { type PredictJob, predictPhotographs } from '../../inference/predict.ts';
import { eyeJpeg } from '../images/support.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'predict-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const input = pipelineInputSchema.parse({});
const { names: features } = buildFeatures([], settingsOf(input.regression));
/** The network has no weights: to ask it would fail. */
const trained = {
  ...{
    run: 'run',
    preparedBy: RECIPES.prepare,
    networks: [{ name: 'train', heads: [0, 1, 2, 3] }],
    input: pipelineInputSchema.parse({}),
  },
  metrics: { regression: { features, weights: [], intercept: 0, cuts: [] } },
} as unknown as PredictJob['trained'];

const onPaper = async () =>
  sharp({ create: { width: 400, height: 300, channels: 3, background: '#e8e4d8' } })
    .composite([
      {
        input: await sharp(await eyeJpeg(1))
          .png()
          .toBuffer(),
      },
    ])
    .jpeg()
    .toBuffer();
const black = () =>
  sharp({ create: { width: 400, height: 300, channels: 3, background: '#010000' } })
    .jpeg()
    .toBuffer();
const damaged = async () => {
  const jpeg = await eyeJpeg(1);
  return Buffer.concat([jpeg.subarray(0, jpeg.length >> 1), Buffer.from([0xff, 0xd9])]);
};

test.each<[string, () => Promise<Buffer>, RegExp]>([
  ['no eye, on bright ground', onPaper, /^Expected an eye on a dark ground, got an image with bright corners$/],
  ['no eye, all black', black, /^Expected an eye on a dark ground, got a picture of one colour$/],
  ['half an eye', damaged, /^Expected a JPEG that can be decoded, got damaged data: premature end of data segment$/],
])('%s', async (name, make, reason) => {
  const file = join(folder, `${name}.jpeg`);
  await writeFile(file, await make());
  const predictions = await predictPhotographs({
    ...{ trained, scratch: folder, photographs: [{ file, image: name }], onProgress: () => {} },
    ...({ store: undefined, caffe: undefined } as unknown as Pick<PredictJob, 'store' | 'caffe'>),
    signal: new AbortController().signal,
  });
  expect(predictions).toEqual([{ file, reason: expect.stringMatching(reason) }]);
});
