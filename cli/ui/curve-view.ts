/** Curves of a split: loss on the left, AUC on the right, both on the validation fold. Pure. */
import colors from 'picocolors';
import type { SplitProgress } from '../../workflows/progress.ts';

const WIDTH = 24;
const HEIGHT = 2;

/** Returns two lines; none before the second epoch, as one point is no curve. */
export function curveLines({ curve, epochs }: SplitProgress): string[] {
  const points = (what: 'validationLoss' | 'auc') =>
    curve.flatMap((point): [number, number][] => (point[what] === null ? [] : [[point.epoch, point[what]]]));
  const plots = [plotted('loss', points('validationLoss'), epochs), plotted('AUC ', points('auc'), epochs)];
  return curve.length < 2
    ? []
    : Array.from({ length: HEIGHT }, (_, row) =>
        plots
          .map(lines => lines[row])
          .join('   ')
          .trimEnd(),
      );
}

/** Plots a curve with an axis on the left that shows its highest value above and its lowest below. */
function plotted(name: string, points: [number, number][], epochs: number): string[] {
  const values = points.map(([, value]) => value);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const lines = plotBraille(points, { width: WIDTH, height: HEIGHT, x: [1, Math.max(2, epochs)], y: [low, high] });
  const label = (row: number) => {
    const value = row === 0 ? high : low;
    return Number.isFinite(value) ? value.toFixed(3) : '     ';
  };
  return lines.map((line, row) => `${colors.dim(`${row === 0 ? name : '    '} ${label(row)}`)} ${colors.cyan(line)}`);
}

/** Bits of the dots of a cell, by column, and by row from the top. */
const DOTS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

export interface Plot {
  /** Size in cells. */
  width: number;
  height: number;
  /** Ends of the axes. */
  x: readonly [number, number];
  y: readonly [number, number];
}

/** Plots points, joined by lines. @param points `[x, y]`, in order of x. @returns `height` lines of `width` cells */
export function plotBraille(points: readonly (readonly [number, number])[], { width, height, x, y }: Plot): string[] {
  const cells = Array.from({ length: height }, () => new Array<number>(width).fill(0));
  const [columns, rows] = [2 * width, 4 * height];
  const place = (value: number, [from, to]: readonly [number, number], dots: number) => {
    const share = to > from ? (value - from) / (to - from) : 0.5;
    return Math.round(Math.min(1, Math.max(0, share)) * (dots - 1));
  };
  const set = (column: number, row: number) => {
    const line = cells[height - 1 - Math.floor(row / 4)]!;
    line[Math.floor(column / 2)]! |= DOTS[column % 2]![3 - (row % 4)]!;
  };
  let before: { column: number; row: number } | undefined;
  for (const [px, py] of points) {
    const at = { column: place(px, x, columns), row: place(py, y, rows) };
    const from = before ?? at;
    const steps = Math.max(1, Math.abs(at.column - from.column), Math.abs(at.row - from.row));
    for (let i = 0; i <= steps; i++) {
      set(
        Math.round(from.column + ((at.column - from.column) * i) / steps),
        Math.round(from.row + ((at.row - from.row) * i) / steps),
      );
    }
    before = at;
  }
  return cells.map(line => line.map(bits => String.fromCodePoint(0x2800 + bits)).join(''));
}
