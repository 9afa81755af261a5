/** A contact sheet of made-up eyes: a row for each stage, as a look says more than any number whether they are any good. */
import sharp, { type Sharp } from 'sharp';
import { type EyePlan, makePatient, type Patient } from './eyes/patients.ts';
import { photographEye } from './eyes/photograph.ts';

const GAP = 4;
/** After that many patients a row that is still short stays short. */
const PATIENCE = 2_000;

/**
 * Rows of stages 0–4, `columns` eyes of different patients each, left and right eyes in turn.
 * @param tile pixels of a square
 * @returns the sheet, to be written in whatever format
 */
export async function contactSheet(seed: number, columns: number, tile: number): Promise<Sharp> {
  const rows: { patient: Patient; eye: EyePlan }[][] = [[], [], [], [], []];
  for (let index = 0; index < PATIENCE && rows.some(row => row.length < columns); index++) {
    const patient = makePatient(seed, index, 'even');
    const eye = patient.eyes[index % 2]!;
    const row = rows[eye.stage]!;
    if (row.length < columns) row.push({ patient, eye });
  }
  const tiles = await Promise.all(
    rows.flatMap((row, y) =>
      row.map(async ({ patient, eye }, x) => ({
        input: await sharp(await photographEye(seed, patient, eye))
          .resize(tile - GAP, tile - GAP, { fit: 'contain', background: '#000' })
          .toBuffer(),
        left: x * tile + GAP / 2,
        top: y * tile + GAP / 2,
      })),
    ),
  );
  return sharp({ create: { width: columns * tile, height: 5 * tile, channels: 3, background: '#222' } }).composite(
    tiles,
  );
}
