/** Points, blobs and paths in the eye's own frame: thousandths of the field's radius, the temple at +x, y downward. */
import type { Random } from '../../lib/random.ts';

export interface Point {
  x: number;
  y: number;
}

/** Positions and sizes in one eye. */
export interface Anatomy {
  disc: Point;
  discRadius: number;
  fovea: Point;
  discToFovea: number;
}

export const distance = (a: Point, b: Point) => Math.hypot(a.x - b.x, a.y - b.y);

const digit = (value: number) => Math.round(value * 10) / 10;

/** Returns a closed path through the points. */
export function polygon(points: readonly Point[]): string {
  return `M${points.map(({ x, y }) => `${digit(x)} ${digit(y)}`).join('L')}Z`;
}

/** Returns an open path through the points. */
export function line(points: readonly Point[]): string {
  return `M${points.map(({ x, y }) => `${digit(x)} ${digit(y)}`).join('L')}`;
}

/** Returns a rounded, irregular closed path about `centre`. `ragged` 0 is a circle, `stretch` > 1 elongates it along `angle`. */
export function blob(
  random: Random,
  centre: Point,
  radius: number,
  { ragged = 0.25, stretch = 1, angle = 0, corners = 8 } = {},
): string {
  const turn = random.between(0, 2 * Math.PI);
  const cos = Math.cos(angle);
  const sin = Math.sin(angle);
  const points = Array.from({ length: corners }, (_, i): Point => {
    const r = radius * (1 + ragged * random.between(-1, 1));
    const along = r * stretch * Math.cos(turn + (2 * Math.PI * i) / corners);
    const across = (r / Math.sqrt(stretch)) * Math.sin(turn + (2 * Math.PI * i) / corners);
    return { x: centre.x + along * cos - across * sin, y: centre.y + along * sin + across * cos };
  });
  const between = (a: Point, b: Point): Point => ({ x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
  const start = between(points.at(-1)!, points[0]!);
  const curves = points.map((corner, i) => {
    const to = between(corner, points[(i + 1) % corners]!);
    return `Q${digit(corner.x)} ${digit(corner.y)} ${digit(to.x)} ${digit(to.y)}`;
  });
  return `M${digit(start.x)} ${digit(start.y)}${curves.join('')}Z`;
}

/** Returns a random point of the field within `reach` of its center, not on the optic disc. */
export function somewhere(random: Random, { disc, discRadius }: Anatomy, reach = 930): Point {
  for (;;) {
    const r = reach * Math.sqrt(random.next());
    const angle = random.between(0, 2 * Math.PI);
    const point = { x: r * Math.cos(angle), y: r * Math.sin(angle) };
    if (distance(point, disc) > discRadius * 1.3) return point;
  }
}

/** Returns a random point around `centre`, Gaussian with deviation `spread`, not on the optic disc. */
export function around(random: Random, { disc, discRadius }: Anatomy, centre: Point, spread: number): Point {
  for (;;) {
    const point = { x: random.normal(centre.x, spread), y: random.normal(centre.y, spread) };
    if (distance(point, disc) > discRadius * 1.3) return point;
  }
}
