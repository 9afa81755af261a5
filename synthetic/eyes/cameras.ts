/** Cameras of the synthetic eyes: frame, framing, orientation and quirks, which differ between clinics. */
import type { Random } from '../../lib/random.ts';

export interface Camera {
  /** Pixels. */
  width: number;
  height: number;
  /** Radius of the lit circle in pixels; above half the height its top and bottom are cut off. */
  radius: number;
  /** Shape of the mark at the upper right, which shows that the image is upright. */
  notch: 'none' | 'round' | 'triangle' | 'square';
  /** True when the optics invert the image and it was not rotated back. */
  inverted: boolean;
  /** Color of the stray light at the rim. */
  rimLight: readonly [number, number, number];
  /** Gaussian blur of the optics, in pixels. */
  blur: number;
  /** Standard deviation of the sensor's noise, in gray levels. */
  noise: number;
  /** Quality of its JPEGs. */
  quality: number;
  /** Height of a soft shadow at the bottom edge in pixels, 0 for none. */
  shadow: number;
}

const even = (value: number) => 2 * Math.round(value / 2);

/** Returns a camera. 3:2 frames cut the circle at top and bottom, wide frames hold it whole, and 4:3 frames just cut it. */
export function chooseCamera(random: Random): Camera {
  const kind = random.next();
  const optics = {
    blur: random.between(0.6, 1.1),
    noise: random.between(1.6, 3.4),
    quality: random.whole(88, 93),
  };
  if (kind < 0.42) {
    const width = even(random.between(964, 1000));
    return {
      width,
      height: even(width / 1.5),
      radius: width * random.between(0.41, 0.45),
      notch: 'none',
      inverted: random.chance(0.75),
      rimLight: random.pick([
        [120, 190, 200],
        [150, 200, 180],
        [205, 215, 150],
      ] as const),
      shadow: random.chance(0.3) ? random.between(8, 16) : 0,
      ...optics,
    };
  }
  if (kind < 0.74) {
    const width = even(random.between(860, 964));
    const height = even(random.between(648, 700));
    return {
      width,
      height,
      radius: height * random.between(0.42, 0.475),
      notch: random.pick(['round', 'round', 'square', 'none'] as const),
      inverted: false,
      rimLight: [230, 190, 120],
      shadow: 0,
      ...optics,
    };
  }
  const width = even(random.between(860, 920));
  return {
    width,
    height: even(width * 0.75),
    radius: width * random.between(0.4, 0.44),
    notch: random.pick(['triangle', 'square', 'round'] as const),
    inverted: false,
    rimLight: [225, 205, 130],
    shadow: 0,
    ...optics,
  };
}
