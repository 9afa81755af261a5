/** Whether the occlusion maps of made-up eyes point at their lesions: on networks that have learnt something, which takes a whole demo run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parsePredictions } from '../../activities/regression/tables.ts';
import { readRecord } from '../../activities/run/records.ts';
import { chooseRun } from '../../cli/local/resolve-run.ts';
import { type Explanation, explainEye } from '../../inference/explain/explain-eye.ts';
import { defaultOcclusion } from '../../inference/explain/occlusion.ts';
import { readTrainedRun } from '../../inference/trained-run.ts';
import { makePatients } from '../../synthetic/eyes/patients.ts';
import { testCaffe } from '../support/caffe.ts';
import { retinopathyIn } from '../support/help-examples.ts';
import { lesionMask } from '../support/lesion-mask.ts';

const EYES = 6;
/** Laser scars may cover a fifth of a picture: a tenth of it cannot lie on lesions much more often than chance has it there. */
const MOST_COVERED = 0.1;

test.runIf(process.env.RETINOPATHY_LONG)(
  'the top decile of each split’s map lies on lesions at least twice as often as a random pixel does',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'lesions-'));
    try {
      // A finished demo run may be named, so that none has to be trained.
      const run = process.env.RETINOPATHY_DEMO_RUN ?? join(folder, 'run');
      if (process.env.RETINOPATHY_DEMO_RUN === undefined) {
        const { code, said } = await retinopathyIn(folder, ['run', '--out', run, '--no-keep']);
        expect(code, said).toBe(0);
      }
      const ratios = await ratiosOf(run, folder);
      const means = [0, 1, 2, 3].map(k => ratios.reduce((sum, eye) => sum + eye[k]!, 0) / ratios.length);
      expect(ratios).toHaveLength(EYES);
      for (const mean of means) expect(mean, JSON.stringify(ratios)).toBeGreaterThanOrEqual(2);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
  3_600_000,
);

/** Of each eye and split: the share of the map's top decile that lies on lesions, over the lesions' share of the picture. */
async function ratiosOf(run: string, scratch: string): Promise<number[][]> {
  const { store, run: id } = await chooseRun({ run, out: run });
  const trained = await readTrainedRun(store, (await readRecord(store, id))!);
  const { synthetic, images } = trained.input;
  const patients = makePatients(synthetic.seed, synthetic.patients, synthetic.stages, synthetic.first);
  const predictions = parsePredictions(await store.get(`runs/${id}/report/predictions.csv`));
  const ratios: number[][] = [];
  for (const { image } of predictions.filter(({ fold, level }) => fold === 'test' && level >= 2)) {
    const patient = patients.find(({ eyes }) => eyes.some(({ name }) => name === image))!;
    const mask = await lesionMask(synthetic.seed, patient, patient.eyes.find(({ name }) => name === image)!);
    const explanation = await explainEye({
      ...{ store, trained, caffe: await testCaffe(), scratch, image, occlusion: defaultOcclusion(images.size) },
      ...{ signal: new AbortController().signal, onProgress: () => {} },
    });
    const lesions = inPicture(mask, explanation, images.size);
    const share = lesions.reduce((sum, on) => sum + on, 0) / lesions.length;
    if (share === 0 || share > MOST_COVERED) continue;
    const decile = Math.round(lesions.length / 10);
    ratios.push(
      explanation.occlusion!.maps.map(({ map }) => {
        const top = [...map.keys()].sort((a, b) => map[b]! - map[a]!).slice(0, decile);
        return top.reduce((sum, at) => sum + lesions[at]!, 0) / decile / share;
      }),
    );
    if (ratios.length === EYES) break;
  }
  return ratios;
}

/** From the photograph's pixels to those of the prepared picture: cut out, scaled to fit the square, centred. */
function inPicture(
  mask: Awaited<ReturnType<typeof lesionMask>>,
  { way: { photograph } }: Explanation,
  size: number,
): Uint8Array {
  const { left, top, width, height } = photograph.crop;
  const scale = size / Math.max(width, height);
  const lesions = new Uint8Array(size * size);
  for (const [at, on] of mask.data.entries()) {
    if (!on) continue;
    const x = Math.floor(((at % mask.width) - left + 0.5) * scale + (size - width * scale) / 2);
    const y = Math.floor((Math.floor(at / mask.width) - top + 0.5) * scale + (size - height * scale) / 2);
    if (x >= 0 && x < size && y >= 0 && y < size) lesions[y * size + x] = 1;
  }
  return lesions;
}
