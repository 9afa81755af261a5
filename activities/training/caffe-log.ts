/**
 * Reads the log of Caffe, in which all it has to say comes: BVLC's with dates of four digits (glog ≤ 0.5) or eight, and
 * NVCaffe's, which puts `[0]` or `(0)` before its words.
 */

export type LogEvent =
  | { kind: 'iteration'; iteration: number; loss: number }
  | { kind: 'rate'; iteration: number; rate: number }
  | { kind: 'output'; net: 'train' | 'test'; name: string; value: number }
  /** A value of `caffe test`: outputs come one element a line, in the order of the database. */
  | { kind: 'batch'; batch: number; name: string; value: number }
  | { kind: 'snapshot'; file: string }
  | { kind: 'state'; file: string }
  | { kind: 'restored'; file: string }
  | { kind: 'stoppedEarly' }
  | { kind: 'done' }
  /** Files that convert_imageset and compute_image_mean have read so far. */
  | { kind: 'processed'; files: number }
  | { kind: 'fatal'; message: string }
  | { kind: 'error'; message: string };

const PREFIX =
  /^([IWEF])(\d{4}|\d{8}) (\d\d:\d\d:\d\d\.\d{6})\s+(\d+) ([\w.]+):(\d+)\] (?:\s*[[(][\d.]+[\])])?\s*(.*)$/;

type Reader = (groups: RegExpMatchArray) => LogEvent;

const MESSAGES: [RegExp, Reader][] = [
  [/^Batch (\d+), (\S+) = (\S+)/, m => ({ kind: 'batch', batch: Number(m[1]), name: m[2]!, value: number(m[3]!) })],
  [
    /^Iteration (\d+)(?: \(.*?\))?,(?: \S+ep,)? loss = (\S+)/,
    m => ({ kind: 'iteration', iteration: Number(m[1]), loss: number(m[2]!) }),
  ],
  [/^Iteration (\d+), lr = ([^\s,]+)/, m => ({ kind: 'rate', iteration: Number(m[1]), rate: number(m[2]!) })],
  [
    /^(Train|Test) net output #\d+: (\S+) = (\S+)/,
    m => ({ kind: 'output', net: m[1] === 'Train' ? 'train' : 'test', name: m[2]!, value: number(m[3]!) }),
  ],
  [/^Snapshotting to (?:binary proto|HDF5) file (\S+)/, m => ({ kind: 'snapshot', file: m[1]! })],
  [/^Snapshotting solver state to (?:binary proto|HDF5) file (\S+)/, m => ({ kind: 'state', file: m[1]! })],
  [/^(?:Restoring previous solver status from|Resuming from) (\S+)/, m => ({ kind: 'restored', file: m[1]! })],
  [/^Optimization stopped early\./, () => ({ kind: 'stoppedEarly' })],
  // NVCaffe's goes on: `Optimization Done in 2m 11s`.
  [/^Optimization Done\b/, () => ({ kind: 'done' })],
  [/^Processed (\d+) files\./, m => ({ kind: 'processed', files: Number(m[1]) })],
];

/** What a line says; undefined for lines that say nothing the pipeline needs. */
export function parseLogLine(line: string): LogEvent | undefined {
  const match = PREFIX.exec(line);
  if (!match) return undefined;
  const level = match[1]!;
  const text = match[7]!;
  if (level === 'F') return { kind: 'fatal', message: text };
  if (level === 'E') return { kind: 'error', message: text };
  for (const [pattern, read] of MESSAGES) {
    const found = pattern.exec(text);
    if (found) return read(found);
  }
  return undefined;
}

/** `-nan`, `nan`, `inf`, `-inf` and ordinary numbers. */
function number(text: string): number {
  const word = /^([-+]?)(nan|inf)/i.exec(text);
  if (!word) return Number.parseFloat(text);
  return word[2]!.toLowerCase() === 'nan' ? Number.NaN : word[1] === '-' ? -Infinity : Infinity;
}

/** What was measured at an iteration: `loss`, `rate` and the net's own outputs by their names. */
export interface CurvePoint {
  iteration: number;
  /** When Caffe said the first of it, in milliseconds since the epoch. */
  time: number;
  values: Record<string, number>;
}

/** Puts the lines of a training's log together. Lines that come again, after a restart, replace the earlier ones. */
export class TrainingLog {
  /** Loss that was displayed last; null before the first. */
  loss: number | null = null;
  rate: number | null = null;
  iteration: number | null = null;
  done = false;
  stoppedEarly = false;
  /** Files of snapshots that Caffe says it began to write. */
  readonly snapshots: string[] = [];
  private readonly points = new Map<number, CurvePoint>();

  /** @param time when it was said, in milliseconds since the epoch */
  add(event: LogEvent, time = Date.now()): void {
    switch (event.kind) {
      case 'iteration':
        this.iteration = event.iteration;
        this.loss = event.loss;
        this.at(event.iteration, time).values.loss = event.loss;
        break;
      case 'rate':
        this.rate = event.rate;
        this.at(event.iteration, time).values.rate = event.rate;
        break;
      case 'output':
        // A net whose only loss has that name repeats the line before it.
        if (event.net === 'train' && this.iteration !== null && event.name !== 'loss')
          this.at(this.iteration, time).values[event.name] = event.value;
        break;
      case 'snapshot':
      case 'state':
        this.snapshots.push(event.file);
        break;
      case 'done':
        this.done = true;
        break;
      case 'stoppedEarly':
        this.stoppedEarly = true;
        break;
    }
  }

  /** The points in order of iteration, thinned to at most `limit` at even distances with the last one among them. */
  curve(limit: number): CurvePoint[] {
    const all = [...this.points.values()].sort((a, b) => a.iteration - b.iteration);
    if (all.length <= limit) return all;
    return Array.from({ length: limit }, (_, i) => all[Math.ceil(((i + 1) * all.length) / limit) - 1]!);
  }

  private at(iteration: number, time: number): CurvePoint {
    const point = this.points.get(iteration) ?? { iteration, time, values: {} };
    this.points.set(iteration, point);
    return point;
  }
}
