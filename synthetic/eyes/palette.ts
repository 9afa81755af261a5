/** Colors of a fundus, all derived from the patient's pigment. */
import type { Random } from '../../lib/random.ts';

/** Red, green, blue, 0–255. */
export type Colour = readonly [number, number, number];

export interface Pigment {
  /** Color of the retina in good light between disc and macula. */
  retina: Colour;
}

/** Retinas as cameras show them: orange, brown, pink, dark, yellow, gray. */
const RETINAS: readonly { colour: Colour; weight: number }[] = [
  { colour: [208, 108, 50], weight: 0.3 },
  { colour: [172, 104, 62], weight: 0.22 },
  { colour: [196, 142, 112], weight: 0.16 },
  { colour: [158, 72, 42], weight: 0.14 },
  { colour: [222, 150, 78], weight: 0.1 },
  { colour: [158, 122, 104], weight: 0.08 },
];

function weighted(random: Random): Colour {
  let left = random.next();
  for (const { colour, weight } of RETINAS) {
    left -= weight;
    if (left < 0) return colour;
  }
  return RETINAS[0]!.colour;
}

export const mix = (from: Colour, to: Colour, share: number): Colour => [
  from[0] + (to[0] - from[0]) * share,
  from[1] + (to[1] - from[1]) * share,
  from[2] + (to[2] - from[2]) * share,
];

/** Returns a color seen through a filter that lets these shares of red, green and blue pass. */
export const through = (colour: Colour, pass: Colour): Colour => [
  colour[0] * pass[0],
  colour[1] * pass[1],
  colour[2] * pass[2],
];

export function rgb(colour: Colour): string {
  const [r, g, b] = colour.map(value => Math.round(Math.min(255, Math.max(0, value))));
  return `rgb(${r},${g},${b})`;
}

export function choosePigment(random: Random): Pigment {
  const retina = mix(weighted(random), weighted(random), random.between(0, 0.4));
  return { retina: mix(retina, [retina[0] * random.between(0.9, 1.1), retina[1], retina[2]], 1) };
}

export interface Palette {
  retina: Colour;
  choroid: Colour;
  macula: Colour;
  vein: Colour;
  artery: Colour;
  reflex: Colour;
  blood: Colour;
  aneurysm: Colour;
  preretinal: Colour;
  exudate: Colour;
  cottonWool: Colour;
  drusen: Colour;
  scar: Colour;
  pigmentSpot: Colour;
  rim: Colour;
  cup: Colour;
  glow: Colour;
}

/** Returns the colors of everything in an eye of this pigment. Vessels and blood have the retina's light as hemoglobin filters it. */
export function paletteOf({ retina }: Pigment): Palette {
  return {
    retina,
    choroid: mix(retina, [255, 150, 80], 0.6),
    macula: through(retina, [0.52, 0.42, 0.42]),
    vein: through(retina, [0.72, 0.42, 0.48]),
    artery: through(retina, [0.95, 0.56, 0.58]),
    reflex: mix(retina, [255, 225, 190], 0.55),
    blood: through(retina, [0.58, 0.25, 0.29]),
    aneurysm: through(retina, [0.72, 0.3, 0.33]),
    preretinal: through(retina, [0.52, 0.16, 0.18]),
    exudate: mix(retina, [255, 236, 140], 0.8),
    cottonWool: mix(retina, [250, 232, 190], 0.66),
    drusen: mix(retina, [250, 222, 140], 0.5),
    scar: mix(retina, [245, 228, 180], 0.5),
    pigmentSpot: through(retina, [0.38, 0.38, 0.42]),
    rim: mix(retina, [255, 184, 108], 0.8),
    cup: mix(retina, [255, 234, 172], 0.9),
    glow: mix(retina, [255, 205, 150], 0.4),
  };
}
