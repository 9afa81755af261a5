/** Lesions of diabetic retinopathy, more of them at a higher severity. */
import type { Random } from '../../lib/random.ts';
import { type Anatomy, around, blob, line, type Point, somewhere } from './geometry.ts';

/** Lesions by kind, as SVG paths in the eye's frame. */
export interface Lesions {
  aneurysms: string[];
  haemorrhages: string[];
  flames: string[];
  exudates: string[];
  /** Fuzzy, so each is a position and a size rather than a path. */
  cottonWool: { centre: Point; radius: number }[];
  /** Fine new or shunting vessels, drawn as strokes. */
  newVessels: string[];
  preretinal: string[];
  /** Clouds of blood in the vitreous, as ellipses without an edge. */
  clouds: { centre: Point; radius: number }[];
  scars: { centre: Point; radius: number }[];
}

export interface IllEye {
  /** Continuous grade from 0, below 5. */
  severity: number;
  load: number;
  exudative: number;
}

/** Mean numbers at severity 0, 0.5, 1, … 5, interpolated linearly. */
const MEANS = {
  aneurysms: [0, 0.5, 8, 18, 21, 22, 23, 25, 28, 28, 28],
  haemorrhages: [0, 0, 0.8, 2.5, 4.5, 7, 12, 20, 26, 26, 26],
  flames: [0, 0, 0, 0.1, 0.4, 1, 2.2, 4, 6, 6, 6],
  exudateGroups: [0, 0, 0.05, 0.3, 0.8, 1.4, 2, 2.6, 3, 3, 3],
  cottonWool: [0, 0, 0, 0, 0.2, 0.6, 1.3, 2.2, 3.2, 3.5, 3.5],
  shunts: [0, 0, 0, 0, 0, 0, 0.5, 2, 4, 4, 4],
  tufts: [0, 0, 0, 0, 0, 0, 0, 0, 0.8, 3.5, 5],
} as const;

function meanAt(table: readonly number[], severity: number): number {
  const place = severity * 2;
  const below = Math.min(table.length - 2, Math.floor(place));
  return table[below]! + (table[below + 1]! - table[below]!) * (place - below);
}

function exudateGroup(random: Random, anatomy: Anatomy): string[] {
  const centre = around(random, anatomy, anatomy.fovea, 260);
  const ring = random.chance(0.35);
  const size = random.between(40, 120);
  return Array.from({ length: random.whole(7, 32) }, () => {
    const angle = random.between(0, 2 * Math.PI);
    const r = ring ? size * random.between(0.8, 1.15) : size * Math.sqrt(random.next());
    const at = { x: centre.x + r * Math.cos(angle), y: centre.y + r * Math.sin(angle) };
    return blob(random, at, random.between(3, 10) * (random.chance(0.12) ? 1.9 : 1), { ragged: 0.45, corners: 7 });
  });
}

/** Returns a tangle of fine loops, on the disc or beside an arcade. */
function tuft(random: Random, anatomy: Anatomy): string[] {
  const onDisc = random.chance(0.35);
  const centre = onDisc
    ? anatomy.disc
    : around(random, anatomy, { x: anatomy.disc.x + 250, y: random.sign() * 480 }, 180);
  const size = random.between(45, 95);
  return Array.from({ length: random.whole(11, 18) }, () => {
    let angle = random.between(0, 2 * Math.PI);
    let point = { x: centre.x + random.normal(0, size / 3), y: centre.y + random.normal(0, size / 3) };
    const turn = random.sign() * random.between(0.25, 0.6);
    const points = [point];
    for (let i = 0; i < 9; i++) {
      angle += turn + random.normal(0, 0.35);
      point = { x: point.x + (size / 6) * Math.cos(angle), y: point.y + (size / 6) * Math.sin(angle) };
      points.push(point);
    }
    return line(points);
  });
}

/** Returns blood that has sunk in front of the retina in the shape of a boat: flat above, round below. `down` points to the ground. */
function boat(random: Random, anatomy: Anatomy, down: number): string {
  const { x, y } = around(random, anatomy, { x: anatomy.fovea.x, y: random.sign() * 380 }, 200);
  const half = random.between(55, 130);
  const deep = half * random.between(0.5, 0.9) * down;
  const slack = half * 0.12 * down;
  return `M${x - half} ${y}Q${x} ${y + slack} ${x + half} ${y}C${x + half} ${y + deep * 1.25} ${x - half} ${y + deep * 1.25} ${x - half} ${y}Z`;
}

/** Returns rows of laser burns, away from disc and macula, as in treated proliferative eyes. */
function laserScars(random: Random, anatomy: Anatomy): Lesions['scars'] {
  const scars: Lesions['scars'] = [];
  const gap = random.between(75, 105);
  for (let x = -950; x <= 950; x += gap) {
    for (let y = -950; y <= 950; y += gap) {
      const centre = { x: x + random.normal(0, gap / 5), y: y + random.normal(0, gap / 5) };
      const fromFovea = Math.hypot(centre.x - anatomy.fovea.x, centre.y - anatomy.fovea.y);
      const fromDisc = Math.hypot(centre.x - anatomy.disc.x, centre.y - anatomy.disc.y);
      if (fromFovea < 560 || fromDisc < 270 || random.chance(0.35)) continue;
      scars.push({ centre, radius: random.between(18, 34) });
    }
  }
  return scars;
}

/** Returns the lesions of one eye. `down` is 1 where +y of the eye's frame points to the ground. */
export function makeLesions(
  random: Random,
  anatomy: Anatomy,
  { severity, load, exudative }: IllEye,
  down = 1,
): Lesions {
  const many = (kind: keyof typeof MEANS, factor = load) => random.poisson(meanAt(MEANS[kind], severity) * factor);
  const times = <Item>(count: number, make: () => Item): Item[] => Array.from({ length: count }, make);
  const posterior = () =>
    random.chance(0.6) ? around(random, anatomy, anatomy.fovea, 360) : somewhere(random, anatomy, 900);
  const proliferative = Math.max(0, Math.min(1, (severity - 3.8) * 2));

  return {
    aneurysms: times(many('aneurysms'), () =>
      blob(random, posterior(), random.between(8.5, 14.5), { ragged: 0.12, corners: 6 }),
    ),
    haemorrhages: times(many('haemorrhages'), () =>
      blob(random, posterior(), 8 + 20 * random.next() ** 2, { ragged: 0.35, stretch: random.between(1, 1.4) }),
    ),
    flames: times(many('flames'), () => {
      const at = posterior();
      const angle = Math.atan2(at.y - anatomy.disc.y, at.x - anatomy.disc.x) + random.normal(0, 0.2);
      return blob(random, at, random.between(12, 26), {
        ragged: 0.4,
        stretch: random.between(2, 3.4),
        angle,
        corners: 11,
      });
    }),
    exudates: times(many('exudateGroups', load * exudative), () => exudateGroup(random, anatomy)).flat(),
    cottonWool: times(many('cottonWool'), () => ({
      centre: around(random, anatomy, { x: anatomy.disc.x + 350, y: 0 }, 380),
      radius: random.between(26, 52),
    })),
    newVessels: [
      ...times(many('shunts'), () => tuft(random, anatomy).slice(0, 2)).flat(),
      ...times(many('tufts'), () => tuft(random, anatomy)).flat(),
    ],
    preretinal: times(random.poisson(1.5 * proliferative), () => boat(random, anatomy, down)),
    clouds: times(random.chance(0.4 * proliferative) ? random.whole(2, 4) : 0, () => ({
      centre: { x: random.normal(0, 350), y: down * random.between(150, 750) },
      radius: random.between(260, 480),
    })),
    scars: random.chance(0.65 * proliferative) ? laserScars(random, anatomy) : [],
  };
}
