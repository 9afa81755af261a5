/** Formats a run's progress: a line per stage, and while it trains a line per split with its curves. Pure. */
import { stripVTControlCharacters } from 'node:util';
import colors from 'picocolors';
import { STAGES, type Stage } from '../../config/stages.ts';
import { bar, bytes, counted, duration, whole } from '../../lib/format.ts';
import { splitLabel } from '../../workflows/ids.ts';
import { budgetText, clock, type Progress, type SplitProgress, type StageProgress } from '../../workflows/progress.ts';
import { curveLines } from './curve-view.ts';
import type { Live, Trouble } from './pending-activities.ts';
import { ignoredFiles } from './summary.ts';

export interface View {
  progress: Progress;
  live: Live;
  /** Milliseconds since the epoch. */
  now: number;
  /** Width of the terminal, at which failures are cut off; default: 180. */
  columns?: number | undefined;
}

const BAR = 24;

/** Returns the lines for a terminal. */
export function progressLines(view: View): string[] {
  const lines: string[] = [];
  for (const stage of STAGES) {
    const s = view.progress.stages[stage];
    lines.push(`  ${symbol(s)} ${stage.padEnd(9)} ${stageText(stage, s, view)}`);
    if (stage === 'train' && s.state === 'running') {
      for (const split of view.progress.splits) {
        lines.push(`      ${splitText(split, view.live)}`, ...curveLines(split).map(line => `      ${line}`));
      }
    }
  }
  for (const trouble of view.live.troubles.slice(0, 3)) {
    const line = `  ! ${retryText(trouble, view.progress)}: ${trouble.message}`;
    lines.push(colors.yellow(cut(line, Math.min(view.columns ?? 180, 180))));
  }
  const { budget } = view.progress;
  if (budget)
    lines.push(`  ${budget.waiting.length > 0 ? colors.yellow(budgetText(budget)) : colors.dim(budgetText(budget))}`);
  if (view.progress.state === 'paused' && !budget?.waiting.length)
    lines.push(colors.yellow('  paused by request: the update `resume` goes on'));
  return lines;
}

/** Formats a retry as `listFiles, try 3, since 19:20:01 UTC`. */
function retryText({ activity, attempt }: Trouble, { retries }: Progress): string {
  const since = retries.find(retry => retry.activity === activity)?.since;
  return `${activity}, try ${attempt}${since === undefined ? '' : `, since ${clock(since)} UTC`}`;
}

/** Returns one line about the progress of the run, for output that is not a terminal. */
export function plainLine(view: View): string {
  const running = STAGES.filter(stage => view.progress.stages[stage].state === 'running');
  const parts = running.map(stage => `${stage} ${stageText(stage, view.progress.stages[stage], view)}`.trim());
  const trained = view.progress.stages.train.state === 'running' ? view.progress.splits : [];
  const splits = trained.map(split => splitText(split, view.live).replaceAll(/\s+/g, ' '));
  const trouble = view.live.troubles[0];
  const retry = trouble ? [`retrying ${retryText(trouble, view.progress)}: ${trouble.message.slice(0, 150)}`] : [];
  const { budget } = view.progress;
  const money = budget ? [budgetText(budget)] : [];
  return plain([...parts, ...splits, ...money, ...retry].join(' | ')) || view.progress.state;
}

/** Returns the line of a stage that has ended. */
export function endedLine(stage: Stage, s: StageProgress): string {
  return plain(`${s.state === 'reused' ? 'found' : 'done '} ${stage.padEnd(9)} ${summary(stage, s)} · ${tookText(s)}`);
}

function tookText({ startedAt, endedAt }: StageProgress): string {
  return startedAt !== null && endedAt !== null ? duration((endedAt - startedAt) / 1000) : '';
}

function stageText(stage: Stage, s: StageProgress, view: View): string {
  switch (s.state) {
    case 'waiting':
      return colors.dim('waiting');
    case 'skipped':
      return colors.dim('not asked for');
    case 'done':
    case 'reused':
      return `${summary(stage, s)} ${colors.dim(s.state === 'reused' ? '· made before' : `· ${tookText(s)}`)}`;
    case 'running':
      return runningText(stage, s, view);
  }
}

function runningText(stage: Stage, s: StageProgress, { live, now, progress }: View): string {
  if (s.of === 0) return colors.dim(s.reason || 'starting');
  const done = s.done + underWay(stage, live, progress);
  const elapsed = (now - (s.startedAt ?? now)) / 1000;
  const left =
    stage === 'download' ? transferLeft(live) : done > 0 && elapsed > 3 ? (elapsed / done) * (s.of - done) : 0;
  const eta = left > 0 ? ` · about ${duration(left)} to go` : '';
  return `${bar(done / s.of, BAR)} ${whole(s.done)}/${whole(s.of)} ${s.unit}${rate(stage, s, live, elapsed)}${colors.dim(eta)}`;
}

/** Returns the seconds that the current parts still take, by their own rates. Earlier work, such as drawing, says nothing about it. */
function transferLeft({ parts }: Live): number {
  const rate = sum(parts.map(part => part.bytesPerSecond));
  return rate > 0 ? sum(parts.map(part => part.of - part.bytes)) / rate : 0;
}

/** Returns the finished share of the units in progress. */
function underWay(stage: Stage, live: Live, progress: Progress): number {
  if (stage === 'download') return sum(live.parts.map(p => (p.of > 0 ? p.bytes / p.of : 0)));
  if (stage === 'prepare') return sum(live.shards.map(s => (s.of > 0 ? s.next / s.of : 0)));
  if (stage === 'train') return sum(progress.splits.map(split => epochsNow(split, live) - split.epoch));
  return 0;
}

function rate(stage: Stage, s: StageProgress, live: Live, elapsed: number): string {
  if (stage === 'download' && live.parts.length > 0) {
    return ` · ${bytes(sum(live.parts.map(p => p.bytesPerSecond)))}/s`;
  }
  if (stage === 'prepare' && elapsed > 3) {
    const pictures = (s.counts.pictures ?? 0) + sum(live.shards.map(shard => shard.next));
    return ` · ${whole(pictures)} pictures, ${whole(pictures / elapsed)}/s`;
  }
  return '';
}

function splitText(split: SplitProgress, live: Live): string {
  const running = live.segments.find(segment => segment.split === split.name);
  const loss = running?.loss ?? split.loss;
  const epochs = epochsNow(split, live);
  const auc = split.auc === null ? 'AUC –' : `AUC ${split.auc.toFixed(3)} (best ${split.bestAuc?.toFixed(3)})`;
  const lost = split.lost.attempts > 0 ? ` · ${counted(split.lost.attempts, 'attempt')} lost` : '';
  const epoch = `epoch ${Math.min(Math.floor(epochs) + 1, split.epochs)}/${split.epochs}`;
  return `${splitLabel(split.k)}  ${bar(epochs / split.epochs, BAR - 8)} ${epoch}  loss ${loss === null ? '–' : loss.toFixed(3)}  ${auc}${lost}`;
}

function epochsNow(split: SplitProgress, live: Live): number {
  const running = live.segments.find(segment => segment.split === split.name);
  const iteration = Math.max(split.iteration, running?.iteration ?? 0);
  return split.iterations > 0 ? (iteration / split.iterations) * split.epochs : split.epoch;
}

function summary(stage: Stage, { counts }: StageProgress): string {
  const n = (name: string) => counts[name] ?? 0;
  switch (stage) {
    case 'download':
      return `${n('parts')} parts, ${bytes(n('bytes'))}, ${whole(n('labels'))} labels`;
    case 'prepare':
      return [
        `${whole(n('pictures'))} pictures in ${whole(n('shards'))} shards, ${whole(n('quarantined'))} quarantined`,
        ...(n('ignored') > 0 ? [ignoredFiles(n('ignored'))] : []),
      ].join(', ');
    case 'label':
      return `${whole(n('trainPatients'))} / ${whole(n('validationPatients'))} / ${whole(n('testPatients'))} patients in ${n('databases')} databases`;
    case 'train':
      return 'four splits';
    case 'regress':
      return counts.qwk === undefined ? '' : `QWK ${counts.qwk.toFixed(3)}`;
  }
}

function symbol(s: StageProgress): string {
  switch (s.state) {
    case 'done':
    case 'reused':
      return colors.green('✓');
    case 'running':
      return colors.cyan('●');
    default:
      return colors.dim('○');
  }
}

function cut(text: string, columns: number): string {
  return text.length < columns ? text : `${text.slice(0, columns - 2)}…`;
}

function sum(values: number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function plain(text: string): string {
  const bars = /[█▏▎▍▌▋▊▉·]{2,}/g;
  return stripVTControlCharacters(text)
    .replaceAll(bars, ' ')
    .replaceAll(/\s{2,}/g, ' ')
    .trim();
}
