/** Draws a fundus as vectors, as a camera without blur, noise or uneven light would see it. */
import type { Random } from '../../lib/random.ts';
import { type Anatomy, around, blob, line, polygon, somewhere } from './geometry.ts';
import { type Lesions, makeLesions } from './lesions.ts';
import { disc, filled, gradients, stroked } from './paint.ts';
import { type Colour, mix, type Palette, paletteOf, rgb, through } from './palette.ts';
import type { EyePlan, Patient } from './patients.ts';
import { growVessels, outline, type Vessel } from './vessels.ts';

/** Position of the eye in the frame: its anatomy, and the transform, which may mirror it or turn it upside down. */
export interface View {
  anatomy: Anatomy;
  /** SVG transform from the eye's frame to pixels. */
  transform: string;
  /** 1 where +y of the eye's frame points to the ground. */
  down: number;
}

/** Places an eye in the frame. Left eyes have their disc on the left, right eyes on the right, unless the camera inverts the image. */
export function frameEye(random: Random, patient: Patient, eye: EyePlan): View {
  const { camera, discToFovea } = patient;
  const onDisc = random.chance(0.06);
  // Target of the camera: between fovea and disc, seldom the disc itself.
  const aim = onDisc ? random.normal(0.95, 0.05) : random.normal(0.34, 0.14);
  const tilt = random.normal(0, 0.06);
  const drop = random.normal(0.12, 0.04) * discToFovea;
  const anatomy: Anatomy = {
    disc: { x: -(1 - aim) * discToFovea, y: -drop * (1 - aim) + random.normal(0, 45) },
    fovea: { x: aim * discToFovea, y: drop * aim + random.normal(0, 30) },
    discRadius: patient.discRadius,
    discToFovea,
  };
  const scale = camera.radius / 1000;
  const mirror = eye.side === 'left' ? 1 : -1;
  const turn = (camera.inverted ? 180 : 0) + (tilt * 180) / Math.PI;
  return {
    anatomy,
    transform:
      `translate(${camera.width / 2} ${camera.height / 2}) rotate(${turn.toFixed(2)}) ` +
      `scale(${(mirror * scale).toFixed(5)} ${scale.toFixed(5)})`,
    down: camera.inverted ? -1 : 1,
  };
}

/** Draws the choroid's broad vessels, which shine through a pale fundus. */
function choroid(random: Random, { disc: { x, y } }: Anatomy, palette: Palette, tessellation: number): string {
  const streaks = Array.from({ length: 46 }, () => {
    let angle = random.between(0, 2 * Math.PI);
    let point = {
      x: x + random.between(150, 1400) * Math.cos(angle),
      y: y + random.between(150, 1400) * Math.sin(angle),
    };
    angle += random.normal(0, 0.4);
    const points = [point];
    for (let i = 0; i < 7; i++) {
      angle += random.normal(0, 0.22);
      point = { x: point.x + 60 * Math.cos(angle), y: point.y + 60 * Math.sin(angle) };
      points.push(point);
    }
    return line(points);
  });
  const half = streaks.length / 2;
  return (
    stroked(streaks.slice(0, half), palette.choroid, 30, 0.28 * tessellation) +
    stroked(streaks.slice(half), palette.choroid, 17, 0.4 * tessellation)
  );
}

function opticDisc(random: Random, { disc: at, discRadius: r }: Anatomy): string {
  const tall = random.between(1.03, 1.16);
  const cup = r * random.between(0.4, 0.68);
  const crescent = random.chance(0.35)
    ? disc('scar', at.x + r * 0.22, at.y, r * 1.08, r * tall * 1.02) +
      disc('rim', at.x + r * 0.1, at.y, r * 1.02, r * tall)
    : '';
  return (
    crescent +
    disc('rim', at.x, at.y, r, r * tall) +
    disc('rim', at.x, at.y, r * 0.98, r * tall * 0.97) +
    disc('cup', at.x + r * random.between(0.04, 0.2), at.y + r * random.normal(0, 0.05), cup * 1.35, cup * 1.45)
  );
}

function vessels(tree: { arteries: Vessel[]; veins: Vessel[] }, palette: Palette): string {
  const draw = (list: readonly Vessel[], colour: Colour) => {
    const wide = list.filter(vessel => vessel.widths[0]! >= 9);
    const fine = list.filter(vessel => vessel.widths[0]! < 9);
    const path = (some: readonly Vessel[]) => some.map(vessel => polygon(outline(vessel)));
    return filled(path(fine), colour, 0.6) + filled(path(wide), colour, 0.85);
  };
  const reflexes = tree.arteries.filter(vessel => vessel.widths[0]! > 13).map(vessel => line(vessel.points.slice(2)));
  return (
    draw(tree.veins, palette.vein) + draw(tree.arteries, palette.artery) + stroked(reflexes, palette.reflex, 3.6, 0.3)
  );
}

/**
 * Draws features that resemble signs of diabetes but are none: drusen, pigment, reflexes of a young retina, ghosts and dust of the lens.
 */
function distractions(random: Random, anatomy: Anatomy, palette: Palette, patient: Patient): string {
  const { fovea, disc: at, discToFovea: d } = anatomy;
  const parts: string[] = [];
  const drusen = patient.drusen ? random.poisson(patient.drusen) : 0;
  for (let i = 0; i < drusen; i++) {
    const spot = around(random, anatomy, fovea, 190);
    parts.push(disc('drusen', spot.x, spot.y, random.between(6, 15)));
  }
  const spots = random.chance(0.18) ? random.whole(1, 4) : 0;
  const pigment = Array.from({ length: spots }, () =>
    blob(random, somewhere(random, anatomy), random.between(5, 16), { ragged: 0.3 }),
  );
  parts.push(filled(pigment, palette.pigmentSpot, 0.7));
  if (random.chance(0.5)) {
    for (const up of [-1, 1]) {
      parts.push(disc('sheen', at.x + 0.42 * d, at.y + up * 0.55 * d, 0.55 * d, 0.2 * d, up * 38));
    }
  }
  if (random.chance(0.18)) {
    for (let i = random.whole(1, 5); i > 0; i--) {
      const ghost = somewhere(random, anatomy);
      parts.push(disc('ghost', ghost.x, ghost.y, random.between(10, 26)));
    }
  }
  if (random.chance(0.15)) {
    const dust = Array.from({ length: random.whole(1, 5) }, () =>
      blob(random, somewhere(random, anatomy), random.between(4, 9), { ragged: 0.4 }),
    );
    parts.push(filled(dust, through(palette.retina, [0.45, 0.42, 0.45]), 0.75));
  }
  if (random.chance(0.18)) {
    parts.push(
      disc('sheen', fovea.x + random.normal(0, 120), fovea.y + random.normal(0, 120), 70, 190, random.between(0, 180)),
    );
  }
  return parts.join('');
}

function behindVessels(lesions: Lesions, palette: Palette, random: Random): string {
  const scars = lesions.scars.map(({ centre, radius }) =>
    disc('scar', centre.x, centre.y, radius, radius * random.between(0.8, 1)),
  );
  const pigment = lesions.scars
    .filter(() => random.chance(0.5))
    .map(({ centre, radius }) => blob(random, centre, radius * random.between(0.25, 0.5), { ragged: 0.4 }));
  return scars.join('') + filled(pigment, palette.pigmentSpot, 0.75) + filled(lesions.exudates, palette.exudate, 0.92);
}

function beforeVessels(lesions: Lesions, palette: Palette, random: Random): string {
  const wool = lesions.cottonWool.flatMap(({ centre: { x, y }, radius }) =>
    Array.from({ length: 3 }, () =>
      disc(
        'wool',
        x + random.normal(0, radius / 2),
        y + random.normal(0, radius / 2),
        radius,
        radius * random.between(0.55, 0.8),
        random.between(0, 180),
      ),
    ),
  );
  return (
    wool.join('') +
    filled(lesions.flames, palette.blood, 0.66) +
    filled(lesions.haemorrhages, palette.blood, 0.85) +
    filled(lesions.aneurysms, palette.aneurysm, 0.9) +
    stroked(lesions.newVessels, mix(palette.vein, palette.artery, 0.5), 3.2, 0.85) +
    lesions.clouds
      .map(({ centre: { x, y }, radius }) =>
        disc('cloud', x, y, radius, radius * random.between(0.45, 0.8), random.between(-25, 25)),
      )
      .join('') +
    filled(lesions.preretinal, palette.preretinal, 0.88)
  );
}

/** Contents of an eye and their positions, before they are painted. */
export interface Layout {
  view: View;
  tree: { arteries: Vessel[]; veins: Vessel[] };
  lesions: Lesions;
}

/** Lays out an eye. @param random of this eye: the same state gives the same eye */
export function layOutEye(random: Random, patient: Patient, eye: EyePlan): Layout {
  const view = frameEye(random, patient, eye);
  const beading = eye.severity > 2.7 ? Math.min(1, (eye.severity - 2.7) * 0.6) * random.next() : 0;
  const tree = growVessels(random, view.anatomy, { tortuosity: patient.tortuosity, beading });
  const lesions = makeLesions(random, view.anatomy, { ...eye, exudative: patient.exudative }, view.down);
  return { view, tree, lesions };
}

/**
 * Returns the eye as an SVG of the camera's frame, filled beyond the lit circle.
 * @param random of this eye; the same state gives the same drawing
 */
export function drawEye(random: Random, patient: Patient, eye: EyePlan): string {
  const { width, height } = patient.camera;
  const palette = paletteOf(patient.pigment);
  const { view, tree, lesions } = layOutEye(random, patient, eye);
  const { anatomy, transform } = view;
  const { fovea, disc: at, discToFovea: d } = anatomy;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs>${gradients(random, palette)}</defs>` +
    `<rect width="100%" height="100%" fill="${rgb(palette.retina)}"/><g transform="${transform}">` +
    choroid(random, anatomy, palette, patient.tessellation) +
    disc('glow', at.x + 60, at.y, 0.85 * d) +
    disc('macula', fovea.x, fovea.y, 0.72 * d, 0.6 * d) +
    disc('fovea', fovea.x, fovea.y, 0.13 * d) +
    behindVessels(lesions, palette, random) +
    opticDisc(random, anatomy) +
    vessels(tree, palette) +
    beforeVessels(lesions, palette, random) +
    distractions(random, anatomy, palette, patient) +
    '</g></svg>'
  );
}
