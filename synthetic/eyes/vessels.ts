/** The retina's vessels: four arcades of arteries and veins that leave the optic disc, branch, taper and spare the fovea. */
import type { Random } from '../../lib/random.ts';
import { type Anatomy, distance, type Point } from './geometry.ts';

export interface Vessel {
  points: Point[];
  /** Width at each point. */
  widths: number[];
}

export interface VesselTree {
  arteries: Vessel[];
  veins: Vessel[];
}

export interface VesselOptions {
  tortuosity: number;
  /** Swellings like a string of beads on the veins, 0–1: a sign of severe disease. */
  beading: number;
}

const STEP = 24;
/** Closest distance of a vessel to the fovea, as a share of the distance between fovea and disc. */
const FOVEAL_ZONE = 0.2;
/** Distance at which a vessel has left the image, with some margin. */
const OUT = 1080;

/** Follows a curve from the disc. Temporal arcades rise first and then bend around the macula, nasal ones run straight out. */
function arcade(random: Random, anatomy: Anatomy, temporal: boolean, up: number, options: VesselOptions): Point[] {
  const { disc, discToFovea: d } = anatomy;
  const height = random.between(0.78, 1.08) * d;
  const rise = random.between(1.5, 2.1);
  const slope = random.between(0.6, 1.3);
  const bend = random.between(-0.1, 0.3);
  const droop = random.between(-0.08, 0.3);
  const phase = random.between(0, 6);
  const wave = random.between(0.014, 0.034) * d * options.tortuosity;
  const points: Point[] = [];
  for (let s = 0; s < 3; s += 0.02) {
    const wiggle = wave * (Math.sin(s * 9 + phase) + 0.5 * Math.sin(s * 21 + 2 * phase)) * Math.min(1, s * 4);
    const x = temporal ? 0.9 * d * s * s : -0.75 * d * s;
    const y = temporal
      ? height * (1 - Math.exp(-rise * s)) * (1 - droop * Math.max(0, s - 0.7))
      : 0.75 * d * s * slope * (1 - bend * s);
    const point = { x: disc.x + x + 0.5 * wiggle, y: disc.y + up * (y + wiggle) };
    const last = points.at(-1);
    if (last && distance(last, point) < STEP * 0.8) continue;
    points.push(point);
    if (Math.hypot(point.x, point.y) > OUT) break;
  }
  return points;
}

/** Returns a vessel on a random path: outward from the disc, or toward the macula where it starts inside the arcades. */
function wander(
  random: Random,
  anatomy: Anatomy,
  from: Point,
  heading: number,
  length: number,
  winding: number,
): Point[] {
  const { disc, fovea, discToFovea: d } = anatomy;
  const points = [from];
  let point = from;
  let angle = heading;
  let drift = 0;
  for (let walked = 0; walked < length; walked += STEP) {
    const inside = distance(point, fovea) < 0.8 * d;
    const aim = inside
      ? Math.atan2(fovea.y - point.y, fovea.x + 0.25 * d - point.x)
      : Math.atan2(point.y - disc.y, point.x - disc.x);
    const off = Math.atan2(Math.sin(aim - angle), Math.cos(aim - angle));
    drift = 0.6 * drift + random.normal(0, 0.1 * winding);
    angle += (inside ? 0.045 : 0.05) * off + drift;
    point = { x: point.x + STEP * Math.cos(angle), y: point.y + STEP * Math.sin(angle) };
    if (distance(point, fovea) < FOVEAL_ZONE * d || distance(point, disc) < anatomy.discRadius) break;
    if (Math.hypot(point.x, point.y) > OUT) break;
    points.push(point);
  }
  return points;
}

/** Returns uneven widths that fall from `width` to the share `end` of it, with beads where the disease causes them. */
function taper(random: Random, points: readonly Point[], width: number, end: number, beading: number): number[] {
  const phase = random.between(0, 6);
  return points.map((_, i) => {
    const share = i / Math.max(1, points.length - 1);
    const beads = 1 + 0.35 * beading * Math.sin(i * 1.3 + phase) * Math.min(1, i / 6);
    return Math.max(1.6, width * (1 - (1 - end) * share) * beads * random.between(0.94, 1.06));
  });
}

function branchOff(random: Random, anatomy: Anatomy, vessel: Vessel, depth: number, options: VesselOptions): Vessel[] {
  const { points, widths } = vessel;
  const grown: Vessel[] = [];
  let side = random.sign();
  for (let i = random.whole(3, 6); i < points.length - 1; i += random.whole(depth === 0 ? 3 : 3, depth === 0 ? 7 : 8)) {
    const here = points[i]!;
    if (Math.hypot(here.x, here.y) > 1000) break;
    const before = points[i - 1]!;
    const heading = Math.atan2(here.y - before.y, here.x - before.x) + side * random.between(0.4, 1);
    const width = widths[i]! * (depth === 0 ? random.between(0.32, 0.66) : random.between(0.5, 0.75));
    side = random.chance(0.75) ? -side : side;
    if (width < 2.6) continue;
    const length = width * random.between(26, 60);
    const path = wander(random, anatomy, here, heading, length, options.tortuosity);
    if (path.length < 3) continue;
    const child = { points: path, widths: taper(random, path, width, 0.4, options.beading * 0.6) };
    grown.push(child);
    if (depth < 2) grown.push(...branchOff(random, anatomy, child, depth + 1, options));
  }
  return grown;
}

/** Returns the root of a vessel. Vessels emerge through the disc's nasal half, each at its own position. */
function rootOf(random: Random, { disc, discRadius: r }: Anatomy): Point {
  return { x: disc.x + r * random.between(-0.4, 0.15), y: disc.y + r * random.normal(0, 0.14) };
}

/** Grows the vessels of one eye. */
export function growVessels(random: Random, anatomy: Anatomy, options: VesselOptions): VesselTree {
  const tree: VesselTree = { arteries: [], veins: [] };
  const calibre = random.between(0.9, 1.15);
  for (const temporal of [true, false]) {
    for (const up of [-1, 1]) {
      for (const kind of ['veins', 'arteries'] as const) {
        const points = arcade(random, { ...anatomy, disc: rootOf(random, anatomy) }, temporal, up, options);
        const strength = (temporal ? 1 : 0.62) * calibre * (kind === 'veins' ? 24 : 17) * random.between(0.88, 1.12);
        const beading = kind === 'veins' ? options.beading : 0;
        const main = { points, widths: taper(random, points, strength, 0.5, beading) };
        tree[kind].push(main, ...branchOff(random, anatomy, main, 0, { ...options, beading }));
      }
    }
  }
  // Small vessels that run straight from the disc to the macula and to the nose.
  for (let i = 0; i < 7; i++) {
    const toMacula = i < 3;
    const heading = toMacula ? random.between(-0.55, 0.55) : random.between(2.2, 4.1);
    const { disc, discRadius } = anatomy;
    const from = { x: disc.x + discRadius * Math.cos(heading), y: disc.y + discRadius * Math.sin(heading) };
    const points = wander(random, anatomy, from, heading, random.between(220, 480), options.tortuosity);
    const path = [rootOf(random, anatomy), ...points];
    const vessel = { points: path, widths: taper(random, path, random.between(5, 9), 0.4, 0) };
    tree[i % 2 ? 'veins' : 'arteries'].push(vessel, ...branchOff(random, anatomy, vessel, 1, options));
  }
  return tree;
}

/** Returns the outline of a vessel: out along its left edge, back along its right edge. */
export function outline({ points, widths }: Vessel): Point[] {
  const left: Point[] = [];
  const right: Point[] = [];
  points.forEach((point, i) => {
    const a = points[Math.max(0, i - 1)]!;
    const b = points[Math.min(points.length - 1, i + 1)]!;
    const length = distance(a, b) || 1;
    const half = widths[i]! / 2 / length;
    left.push({ x: point.x - (b.y - a.y) * half, y: point.y + (b.x - a.x) * half });
    right.push({ x: point.x + (b.y - a.y) * half, y: point.y - (b.x - a.x) * half });
  });
  return [...left, ...right.reverse()];
}
