/**
 * Finds the eye's bounding box in a whole image from a shrunk decode. A sharp rim is found to a pixel or two. A rim that fades into
 * the background needs more, since the noise that shrinking averages away decides there. So does a fraction of a pixel that decides
 * how the fitted square is rounded, which costs up to 15 dB. The estimate then names the region of the whole image to inspect. Pure.
 */
import type { Bitmap, Size } from './bitmap.ts';
import { type Box, borders, distances, fittedSize, type Side } from './crop.ts';

/** Rows or columns outside the eye at each side. */
type Borders = Record<Side, number>;

export interface Estimate {
  /** Box in pixels of the whole image. */
  box: Box;
  /** Sides that only the whole image can settle, and the region to decode for them; undefined where the estimate is good enough. */
  unsure?: { sides: Side[]; region: Box };
}

const SIDES = ['left', 'top', 'right', 'bottom'] as const;
/** Levels (of 255) by which the brightest pixel of a row is usually brighter in the whole image than in the shrunk decode. */
const NOISE = 6;
/** Maximum of the same difference. An edge fades if it is in another place at a limit lower by this many levels. */
const MOST_NOISE = 8;
/** Levels below the limit at which a pixel decides nothing. */
const HOPELESS = 12;
/** Pixels of the result by which a fading edge may be off. */
const TOLERABLE = 0.8;
/** Accuracy of an estimated side, in pixels of the whole image. */
const PRECISION = 0.75;

/**
 * Estimates the box.
 * @param shrunk a smaller decode of the image
 * @param whole the full size of the image
 * @param options `size`: side of the square that the box will be fitted to
 * @returns undefined when no eye is visible
 */
export function estimateBox(
  shrunk: Bitmap,
  whole: Size,
  { fuzz, size }: { fuzz: number; size: number },
): Estimate | undefined {
  const level = fuzz * 255;
  const from = distances(shrunk);
  const inner = borders(shrunk, level ** 2, from);
  if (inner.left + inner.right >= shrunk.width || inner.top + inner.bottom >= shrunk.height) return undefined;
  const outer = borders(shrunk, Math.max(0, level - MOST_NOISE) ** 2, from);

  const scale = scales(shrunk, whole);
  const fitted =
    size /
    Math.max(
      whole.width - scale.left * (inner.left + inner.right),
      whole.height - scale.top * (inner.top + inner.bottom),
    );
  const found = bySide(
    side => scale[side] * crossing(brightest(shrunk, side), inner[side], Math.max(0, level - NOISE)),
  );
  const free = SIDES.filter(side => inner[side] > 0);
  const faded = free.filter(side => {
    const lines = inner[side] - outer[side];
    return lines > 1 && lines * scale[side] * fitted > TOLERABLE;
  });
  const sides = faded.length > 0 || roundsOneWay(found, free, whole, size) ? faded : free;
  const box = boxOf(found, whole);
  if (sides.length === 0) return { box };
  const places = sides.map(side => decisive(shrunk, side, outer[side] - 1, inner[side] + 1, level - HOPELESS));
  return { box, unsure: { sides, region: spread(places, scale, whole) } };
}

/**
 * Returns the box after the region has been decoded.
 * @param part pixels of the region, in full size
 */
export function settleBox(
  { box, unsure }: Required<Estimate>,
  part: Bitmap,
  shrunk: Bitmap,
  whole: Size,
  fuzz: number,
): Box {
  const { sides, region } = unsure;
  const [outside, estimated] = [around(region, whole), around(box, whole)];
  const within = borders(part, (fuzz * 255) ** 2, distances(part, shrunk));
  const nothing = within.left >= part.width;
  return boxOf(
    bySide(side => (sides.includes(side) && !nothing ? outside[side] + within[side] : estimated[side])),
    whole,
  );
}

function around({ left, top, width, height }: Box, whole: Size): Borders {
  return { left, top, right: whole.width - left - width, bottom: whole.height - top - height };
}

function bySide(value: (side: Side) => number): Borders {
  return { left: value('left'), top: value('top'), right: value('right'), bottom: value('bottom') };
}

/** Returns the scale from the shrunk decode to the whole image: horizontal for left and right, vertical for top and bottom. */
function scales(shrunk: Size, whole: Size): Borders {
  const across = whole.width / shrunk.width;
  const down = whole.height / shrunk.height;
  return { left: across, top: down, right: across, bottom: down };
}

function boxOf(outside: Borders, whole: Size): Box {
  const [left, top, right, bottom] = SIDES.map(side => Math.round(outside[side])) as [number, number, number, number];
  return {
    left,
    top,
    width: Math.max(1, whole.width - left - right),
    height: Math.max(1, whole.height - top - bottom),
  };
}

/** Returns the line of pixels that is `depth` lines inside the side. */
function lineAt({ width, height }: Size, side: Side, depth: number): Box {
  if (side === 'left') return { left: depth, top: 0, width: 1, height };
  if (side === 'right') return { left: width - 1 - depth, top: 0, width: 1, height };
  return { left: 0, top: side === 'top' ? depth : height - 1 - depth, width, height: 1 };
}

/** Returns, for each line counted from one side, the largest distance of its pixels, in levels. */
function brightest(picture: Bitmap, side: Side): (depth: number) => number {
  const distance = distances(picture)[side];
  return depth => {
    const { left, top, width, height } = lineAt(picture, side, depth);
    let most = 0;
    for (let y = top; y < top + height; y++) {
      for (let x = left; x < left + width; x++) most = Math.max(most, distance(x, y));
    }
    return Math.sqrt(most);
  };
}

/** Returns where the lines become brighter than `level`, in lines from the side. Interpolates between the centers of two lines. */
function crossing(line: (depth: number) => number, inside: number, level: number): number {
  let bright = line(inside);
  for (let depth = inside; depth > 0; depth--) {
    const dark = line(depth - 1);
    if (dark <= level) return depth - 0.5 + (level - dark) / (bright - dark);
    bright = dark;
  }
  return 0;
}

/** Returns whether the fitted size is the same for all sides within the accuracy of the estimate. */
function roundsOneWay(found: Borders, free: readonly Side[], whole: Size, size: number): boolean {
  const width = whole.width - found.left - found.right;
  const height = whole.height - found.top - found.bottom;
  const across = free.includes('left') || free.includes('right') ? PRECISION : 0;
  const down = free.includes('top') || free.includes('bottom') ? PRECISION : 0;
  const sizes = [-1, 1].flatMap(x =>
    [-1, 1].map(y => fittedSize({ width: width + x * across, height: height + y * down }, size)),
  );
  return sizes.every(each => each.width === sizes[0]!.width && each.height === sizes[0]!.height);
}

/** Returns the box of all pixels in some lines of a side that are brighter than `level`. */
function decisive(picture: Bitmap, side: Side, first: number, last: number, level: number): Box {
  const distance = distances(picture)[side];
  let [left, top, right, bottom] = [picture.width, picture.height, 0, 0];
  for (let depth = Math.max(0, first); depth <= last; depth++) {
    const line = lineAt(picture, side, depth);
    for (let y = line.top; y < line.top + line.height; y++) {
      for (let x = line.left; x < line.left + line.width; x++) {
        if (distance(x, y) <= Math.max(0, level) ** 2) continue;
        left = Math.min(left, x);
        top = Math.min(top, y);
        right = Math.max(right, x + 1);
        bottom = Math.max(bottom, y + 1);
      }
    }
  }
  return { left, top, width: right - left, height: bottom - top };
}

/** Returns one box in the whole image that surrounds all boxes, with a margin of one pixel of the shrunk decode. */
function spread(boxes: readonly Box[], scale: Borders, whole: Size): Box {
  const left = Math.max(0, Math.floor((Math.min(...boxes.map(box => box.left)) - 1) * scale.left));
  const top = Math.max(0, Math.floor((Math.min(...boxes.map(box => box.top)) - 1) * scale.top));
  const right = Math.ceil((Math.max(...boxes.map(box => box.left + box.width)) + 1) * scale.left);
  const bottom = Math.ceil((Math.max(...boxes.map(box => box.top + box.height)) + 1) * scale.top);
  return { left, top, width: Math.min(whole.width, right) - left, height: Math.min(whole.height, bottom) - top };
}
