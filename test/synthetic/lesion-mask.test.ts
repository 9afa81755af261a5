import sharp from 'sharp';
import { expect, test } from 'vitest';
import { makePatients } from '../../synthetic/eyes/patients.ts';
import { photographEye } from '../../synthetic/eyes/photograph.ts';
import { lesionMask } from '../support/lesion-mask.ts';

const SEED = 1;
const patients = makePatients(SEED, 60, 'even');
const eyes = patients.flatMap(patient => patient.eyes.map(eye => ({ patient, eye })));

test('a healthy eye has no lesions; those of an ill one stand out of the photograph where the mask says', async () => {
  const healthy = eyes.toSorted((a, b) => a.eye.severity - b.eye.severity)[0]!;
  const none = await lesionMask(SEED, healthy.patient, healthy.eye);
  expect(none.data.reduce((sum, on) => sum + on, 0) / none.data.length).toBeLessThan(0.001);

  const ill = eyes.filter(({ eye }) => eye.severity > 2.3 && eye.severity < 3).slice(0, 3);
  expect(ill).toHaveLength(3);
  for (const { patient, eye } of ill) {
    const { data: mask, width, height } = await lesionMask(SEED, patient, eye);
    const jpeg = await photographEye(SEED, patient, eye);
    const grey = () => sharp(jpeg).extractChannel('green');
    const { data, info } = await grey().raw().toBuffer({ resolveWithObject: true });
    expect([info.width, info.height]).toEqual([width, height]);
    const around = await grey().blur(12).raw().toBuffer();
    const [on, off] = [1, 0].map(wanted => {
      let [sum, pixels] = [0, 0];
      for (const [at, is] of mask.entries()) {
        // The rim of the lit circle stands out, too.
        if (is !== wanted || around[at]! < 30) continue;
        sum += Math.abs(data[at]! - around[at]!);
        pixels++;
      }
      return sum / pixels;
    }) as [number, number];
    expect(on / off).toBeGreaterThan(2);
  }
});
