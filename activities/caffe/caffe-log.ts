/**
 * Parses Caffe's log, its only output. BVLC's log has dates of four digits (glog ≤ 0.5) or eight; NVCaffe's log puts `[0]`
 * or `(0)` before the text.
 */

export type LogEvent =
  | { kind: 'iteration'; iteration: number; loss: number }
  | { kind: 'rate'; iteration: number; rate: number }
  | { kind: 'output'; net: 'train' | 'test'; name: string; value: number }
  /** An output value of `caffe test`: one element a line, in the order of the database. */
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
  // NVCaffe appends the time: `Optimization Done in 2m 11s`.
  [/^Optimization Done\b/, () => ({ kind: 'done' })],
  [/^Processed (\d+) files\./, m => ({ kind: 'processed', files: Number(m[1]) })],
];

/** Parses a line of the log. Returns undefined for lines that the pipeline does not need. */
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

/** Parses ordinary numbers, `nan`, `-nan`, `inf` and `-inf`. */
function number(text: string): number {
  const word = /^([-+]?)(nan|inf)/i.exec(text);
  if (!word) return Number.parseFloat(text);
  return word[2]!.toLowerCase() === 'nan' ? Number.NaN : word[1] === '-' ? -Infinity : Infinity;
}

/** Values of one iteration: `loss`, `rate` and the net's own outputs by name. */
export interface CurvePoint {
  iteration: number;
  /** Time of the first value, in milliseconds since the epoch. */
  time: number;
  values: Record<string, number>;
}

/** Collects the events of a training's log. Repeated iterations, after a restart, replace the earlier values. */
export class TrainingLog {
  /** Loss displayed last; null before the first. */
  loss: number | null = null;
  rate: number | null = null;
  iteration: number | null = null;
  done = false;
  stoppedEarly = false;
  /** Snapshot files that Caffe has started to write, by its log. */
  readonly snapshots: string[] = [];
  private readonly points = new Map<number, CurvePoint>();

  /** Adds an event. @param time of the log line, in milliseconds since the epoch */
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
        // The output `loss` is skipped: a net whose only loss has that name repeats the value of the line before it.
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

  /** Returns the points in order of iteration: at most `limit`, evenly spaced, always with the last one. */
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
