/** Where the lesions of a made-up eye are: what a method that claims to find them is measured by. */
import sharp from 'sharp';
import { Random } from '../../lib/random.ts';
import { layOutEye } from '../../synthetic/eyes/draw-eye.ts';
import type { Lesions } from '../../synthetic/eyes/lesions.ts';
import { filled, stroked } from '../../synthetic/eyes/paint.ts';
import type { EyePlan, Patient } from '../../synthetic/eyes/patients.ts';

/** Of the photograph, row by row: 1 on a lesion, 0 elsewhere. */
export interface LesionMask {
  data: Uint8Array;
  width: number;
  height: number;
}

const WHITE = [255, 255, 255] as const;
/** Of a pixel: what is covered less is none of the lesion's. */
const HALF = 128;

/**
 * The lesions of the eye that `photographEye` photographs with the same seed, before blur and noise. Fuzzy ones, as cotton wool, end where
 * they are named to; clouds of blood in the vitreous are left out, which cover half of a picture and have no edge.
 */
export async function lesionMask(seed: number, patient: Patient, eye: EyePlan): Promise<LesionMask> {
  const { view, lesions } = layOutEye(new Random(seed, 'eye', eye.name), patient, eye);
  const { width, height } = patient.camera;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><rect width="100%" height="100%" fill="#000"/><g transform="${view.transform}">${outlines(lesions)}</g></svg>`;
  const grey = await sharp(Buffer.from(svg)).greyscale().raw().toBuffer();
  return { data: Uint8Array.from(grey, value => (value >= HALF ? 1 : 0)), width, height };
}

function outlines(lesions: Lesions): string {
  const { aneurysms, haemorrhages, flames, exudates, preretinal, newVessels, cottonWool, scars } = lesions;
  const rounds = [...cottonWool, ...scars].map(
    ({ centre: { x, y }, radius }) => `<circle cx="${x}" cy="${y}" r="${radius}" fill="#fff"/>`,
  );
  // One path each: where two of one path overlap, the rule of filling may leave a hole.
  const paths = [...aneurysms, ...haemorrhages, ...flames, ...exudates, ...preretinal].map(path =>
    filled([path], WHITE),
  );
  return paths.join('') + rounds.join('') + stroked(newVessels, WHITE, 3.2);
}
