import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import { Random } from '../../lib/random.ts';
import { makeLesions } from '../../synthetic/eyes/lesions.ts';
import { makePatient, makePatients, STAGE_SHARES, type StageMix } from '../../synthetic/eyes/patients.ts';
import { photographEye } from '../../synthetic/eyes/photograph.ts';

const mixes: StageMix[] = ['even', 'competition'];

describe('patients', () => {
  it('do not depend on how many there are', () => {
    expect(makePatients(7, 40, 'even').slice(0, 10)).toEqual(makePatients(7, 10, 'even'));
    expect(makePatients(7, 1, 'even')).not.toEqual(makePatients(8, 1, 'even'));
  });

  it('have names as in the competition, each once, in rising order', () => {
    const patients = makePatients(1, 500, 'even');
    for (const { id, eyes } of patients) expect(eyes.map(eye => eye.name)).toEqual([`${id}_left`, `${id}_right`]);
    const ids = patients.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  });

  it.each(mixes)('have the stages in the shares of %s', mix => {
    const eyes = makePatients(1, 2000, mix).flatMap(patient => patient.eyes);
    const shares = [0, 1, 2, 3, 4].map(stage => eyes.filter(eye => eye.stage === stage).length / eyes.length);
    for (const [stage, share] of shares.entries()) {
      expect(Math.abs(share - STAGE_SHARES[mix][stage]!), `stage ${stage}: ${share}`).toBeLessThan(0.015);
    }
  });

  it('hold every stage in any thirty in a row of an even set', () => {
    for (const seed of [1, 2, 3]) {
      const patients = makePatients(seed, 120, 'even');
      for (let from = 0; from + 30 <= patients.length; from += 30) {
        const stages = new Set(patients.slice(from, from + 30).flatMap(({ eyes }) => eyes.map(eye => eye.stage)));
        expect(stages.size).toBe(5);
      }
    }
  });

  it.each(mixes)('have fellow eyes of one label about as often as in the competition (87 per cent): %s', mix => {
    const patients = makePatients(1, 2000, mix);
    const same = patients.filter(({ eyes: [left, right] }) => left!.stage === right!.stage).length / patients.length;
    expect(same).toBeGreaterThan(0.83);
    expect(same).toBeLessThan(0.92);
  });

  it('are graded neither at random nor beyond doubt', () => {
    const eyes = makePatients(1, 2000, 'even').flatMap(patient => patient.eyes);
    const right = eyes.filter(eye => Math.floor(eye.severity) === eye.stage).length / eyes.length;
    expect(right).toBeGreaterThan(0.6);
    expect(right).toBeLessThan(0.85);
    for (const { severity } of eyes) expect(severity >= 0 && severity < 5).toBe(true);
  });
});

describe('lesions', () => {
  const anatomy = { disc: { x: -450, y: -60 }, fovea: { x: 240, y: 30 }, discRadius: 120, discToFovea: 690 };
  const countAt = (severity: number) => {
    const lesions = Array.from({ length: 60 }, (_, i) =>
      makeLesions(new Random('lesions', i), anatomy, { severity, load: 1, exudative: 1 }),
    );
    const sum = (kind: keyof (typeof lesions)[number]) => lesions.reduce((all, some) => all + some[kind].length, 0);
    return { red: sum('aneurysms') + sum('haemorrhages'), bright: sum('exudates'), blood: sum('preretinal') };
  };

  it('are absent from a healthy eye and grow with the stage', () => {
    const counts = [0, 1, 2, 3, 4].map(countAt);
    expect(counts[0]).toEqual({ red: 0, bright: 0, blood: 0 });
    for (const [i, { red }] of counts.slice(1).entries()) expect(red).toBeGreaterThan(counts[i]!.red);
    expect(countAt(2.5).bright).toBeGreaterThan(countAt(1.2).bright);
    expect(countAt(3.5).blood).toBe(0);
    expect(countAt(4.6).blood).toBeGreaterThan(20);
  });
});

describe('photographs', () => {
  const patients = makePatients(3, 6, 'even');
  let pictures: Buffer[];
  beforeAll(async () => {
    pictures = await Promise.all(patients.flatMap(patient => patient.eyes.map(eye => photographEye(3, patient, eye))));
  });

  it('are the same for the same seed, drawn in any order, and other ones for another', async () => {
    for (const index of [5, 2]) {
      const patient = makePatient(3, index, 'even');
      const again = await photographEye(3, patient, patient.eyes[1]!);
      expect(again.equals(pictures[2 * index + 1]!)).toBe(true);
      expect((await photographEye(4, patient, patient.eyes[1]!)).equals(again)).toBe(false);
    }
  });

  it('are JPEGs of 640 to 1000 pixels, warm in the middle and black in the corners', async () => {
    for (const picture of pictures) {
      const { data, info } = await sharp(picture).raw().toBuffer({ resolveWithObject: true });
      expect((await sharp(picture).metadata()).format).toBe('jpeg');
      for (const side of [info.width, info.height]) expect(side >= 640 && side <= 1000).toBe(true);
      expect(info.channels).toBe(3);
      for (const corner of [0, info.width - 1, info.width * (info.height - 1), info.width * info.height - 1]) {
        expect(data[3 * corner]!).toBeLessThan(20);
      }
      const middle = await sharp(picture)
        .extract({ left: info.width >> 2, top: info.height >> 2, width: info.width >> 1, height: info.height >> 1 })
        .stats();
      const [red, green, blue] = middle.channels.map(channel => channel.mean) as [number, number, number];
      expect(red > green && green > blue, `${red} ${green} ${blue}`).toBe(true);
      expect(middle.channels[0]!.stdev).toBeGreaterThan(3);
    }
  });
});
