/** The curves of a split beside each other: loss on the left, AUC on the right, both on the validation fold. Pure. */
import colors from 'picocolors';
import type { SplitProgress } from '../workflows/progress.ts';
import { plotBraille } from './braille.ts';

const WIDTH = 24;
const HEIGHT = 2;

/** Two lines; none before the second epoch, as one point is no curve. */
export function curveLines({ curve = [], epochs }: SplitProgress): string[] {
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

/** The axis on the left has its highest value above and its lowest below. */
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
