/** Renders a drawn eye as a camera image: optics, uneven light, stray light at the rim, veil, grain of the retina, noise, mask, JPEG. */
import sharp from 'sharp';
import { Random } from '../../lib/random.ts';
import type { Camera } from './cameras.ts';
import { drawEye } from './draw-eye.ts';
import type { EyePlan, Patient } from './patients.ts';

/** Light and random flaws of one exposure. */
interface Exposure {
  gain: number;
  /** Change of light across the radius, to the right and down. */
  tiltX: number;
  tiltY: number;
  /** Loss of light toward the rim. */
  falloff: number;
  /** Stray light at the rim: strength and direction. */
  stray: number;
  strayX: number;
  strayY: number;
  /** Gray that a clouded lens adds, 0–1. */
  veil: number;
  /** Depth of the dark smudge where the pupil was missed, 0–1, and its position. */
  smudge: number;
  smudgeX: number;
  smudgeY: number;
  grain: number;
  /** Pixels. */
  blur: number;
}

const GRAIN_SIDE = 160;
const NOISE_LENGTH = 1 << 15;

let noiseTable: Float32Array | undefined;
/** Returns Gaussian noise that is made once. Pixels read it from varying positions. */
function noise(): Float32Array {
  if (!noiseTable) {
    const random = new Random('sensor noise');
    noiseTable = Float32Array.from({ length: NOISE_LENGTH }, () => random.normal());
  }
  return noiseTable;
}

function expose(random: Random, { cataract, camera }: Patient): Exposure {
  const angle = random.between(0, 2 * Math.PI);
  const off = random.between(0, 2 * Math.PI);
  const smudged = random.chance(0.3);
  return {
    gain: Math.min(1.25, Math.exp(random.normal(-0.12, 0.27))),
    tiltX: random.normal(0, 0.1),
    tiltY: random.normal(0, 0.08),
    falloff: random.between(0.12, 0.42),
    stray: random.chance(0.55) ? random.between(0.1, 0.8) : random.between(0, 0.12),
    strayX: Math.cos(angle),
    strayY: Math.sin(angle) * 0.5,
    veil: cataract * random.between(0.6, 1.1),
    smudge: smudged ? random.between(0.15, 0.55) : 0,
    smudgeX: 0.45 * Math.cos(off),
    smudgeY: 0.35 * Math.sin(off),
    grain: random.between(0.02, 0.05),
    blur: camera.blur + (random.chance(0.2) ? random.between(0.3, 1.2) : 0),
  };
}

/** Returns the unevenness of a retina: value noise of four octaves, about 0, on a square that covers the field. */
function retinaGrain(random: Random): Float32Array {
  const out = new Float32Array(GRAIN_SIDE * GRAIN_SIDE);
  for (const [cells, strength] of [
    [5, 1.2],
    [13, 0.8],
    [34, 0.7],
    [80, 0.8],
  ] as const) {
    const knots = Float32Array.from({ length: (cells + 2) ** 2 }, () => random.between(-1, 1) * strength);
    for (let y = 0; y < GRAIN_SIDE; y++) {
      const v = (y / GRAIN_SIDE) * cells;
      const row = Math.floor(v);
      for (let x = 0; x < GRAIN_SIDE; x++) {
        const u = (x / GRAIN_SIDE) * cells;
        const column = Math.floor(u);
        const at = row * (cells + 2) + column;
        const top = knots[at]! + (knots[at + 1]! - knots[at]!) * (u - column);
        const bottom = knots[at + cells + 2]! + (knots[at + cells + 3]! - knots[at + cells + 2]!) * (u - column);
        out[y * GRAIN_SIDE + x]! += top + (bottom - top) * (v - row);
      }
    }
  }
  return out;
}

const clamp = (value: number) => Math.min(1, Math.max(0, value));
const toByte = (value: number) => Math.max(0, Math.min(255, value));

/** Returns 1 inside the lit circle and the notch, 0 outside, smooth over a pixel. */
function lit({ notch, radius }: Camera, x: number, y: number, r: number): number {
  const inside = radius - r;
  if (notch === 'none' || inside > 1 || x < 0.5 * radius || y > -0.4 * radius) return clamp(inside);
  const along = (x - y) * Math.SQRT1_2 - radius;
  const across = Math.abs((x + y) * Math.SQRT1_2);
  const size = 0.035 * radius;
  const mark =
    notch === 'round'
      ? size - Math.hypot(along, across)
      : notch === 'square'
        ? Math.min(size - along, 1.2 * size - across)
        : size - across - along * 0.6;
  return Math.max(clamp(inside), along > size * 1.3 ? 0 : clamp(mark));
}

/** Applies an exposure to the drawing's pixels (RGB, in place). */
function develop(random: Random, pixels: Buffer, camera: Camera, exposure: Exposure): void {
  const { width, height, radius } = camera;
  const grain = retinaGrain(random);
  const speckle = noise();
  let place = random.whole(0, NOISE_LENGTH - 1);
  const black = random.between(0, 3);
  const toGrain = (GRAIN_SIDE - 2) / (2 * Math.max(radius, width / 2));
  const [rimR, rimG, rimB] = camera.rimLight;
  const veil = exposure.veil * 0.55;
  for (let row = 0; row < height; row++) {
    const y = row + 0.5 - height / 2;
    const shadow = camera.shadow ? clamp((height - 2 - row) / camera.shadow) : 1;
    const v = y / radius;
    place = (place + random.whole(1, 9999)) & (NOISE_LENGTH - 1);
    for (let column = 0; column < width; column++) {
      const x = column + 0.5 - width / 2;
      const u = x / radius;
      const share = Math.hypot(u, v);
      const i = 3 * (row * width + column);
      place = (place + 1) & (NOISE_LENGTH - 1);
      const mask = share > 1.1 ? 0 : lit(camera, x, y, share * radius) * shadow;
      if (mask === 0) {
        const dark = Math.max(0, black + 0.7 * speckle[place]!);
        pixels[i] = dark;
        pixels[i + 1] = dark;
        pixels[i + 2] = dark;
        continue;
      }
      const r2 = share * share;
      const gx = (x + width / 2) * toGrain;
      const gy = (y + radius) * toGrain;
      const at = Math.max(0, Math.min(GRAIN_SIDE - 2, gy | 0)) * GRAIN_SIDE + Math.min(GRAIN_SIDE - 2, gx | 0);
      const fx = gx - (gx | 0);
      const fy = gy - Math.floor(gy);
      const top = grain[at]! + (grain[at + 1]! - grain[at]!) * fx;
      const texture =
        top + (grain[at + GRAIN_SIDE]! + (grain[at + GRAIN_SIDE + 1]! - grain[at + GRAIN_SIDE]!) * fx - top) * fy;
      const su = u - exposure.smudgeX;
      const sv = v - exposure.smudgeY;
      const smudge = 1 - exposure.smudge * Math.exp(-(su * su + sv * sv) * 9);
      const light =
        exposure.gain *
        (1 + exposure.tiltX * u + exposure.tiltY * v - exposure.falloff * r2) *
        smudge *
        (1 + exposure.grain * texture);
      const rim = clamp((share - 0.62) / 0.38);
      const stray = exposure.stray * rim * rim * clamp(0.25 + u * exposure.strayX + v * exposure.strayY);
      const grey = veil * (1 - 0.4 * r2) * exposure.gain;
      const spark = camera.noise * speckle[place]!;
      const edge = mask * (1 - 0.35 * clamp((share - 0.97) / 0.03));
      pixels[i] = toByte(((pixels[i]! * (1 - veil) + 128 * grey) * light + rimR * stray + spark) * edge);
      pixels[i + 1] = toByte(((pixels[i + 1]! * (1 - veil) + 120 * grey) * light + rimG * stray + spark) * edge);
      pixels[i + 2] = toByte(((pixels[i + 2]! * (1 - veil) + 112 * grey) * light + rimB * stray + spark) * edge);
    }
  }
}

/**
 * Returns the JPEG of one eye, 640–1000 pixels a side. It depends only on the seed, the patient and the side. The bytes are the same
 * for the same version of sharp.
 */
export async function photographEye(seed: number, patient: Patient, eye: EyePlan): Promise<Buffer> {
  const random = new Random(seed, 'eye', eye.name);
  const drawing = drawEye(random, patient, eye);
  const exposure = expose(random, patient);
  const { data, info } = await sharp(Buffer.from(drawing))
    .removeAlpha()
    .blur(exposure.blur)
    .raw()
    .toBuffer({ resolveWithObject: true });
  develop(random, data, patient.camera, exposure);
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
    .jpeg({ quality: patient.camera.quality, chromaSubsampling: '4:2:0' })
    .toBuffer();
}
