/** Summary that a finished run prints: the figures of metrics.json, and the time of each stage. Pure. */
import colors from 'picocolors';
import type { Metrics } from '../../activities/report/types.ts';
import { counted, dashed, duration, headed, whole } from '../../lib/format.ts';

export function summaryLines(metrics: Metrics): string[] {
  const { folds, images, regression, baseline, splits, work } = metrics;
  const rows = [
    ['split', 'AUC', '95 % interval', 'accuracy', 'majority', 'positives'],
    ...splits.map(s => [
      s.name,
      dashed(s.auc),
      interval(s.aucInterval),
      percent(s.accuracy),
      percent(s.majorityAccuracy),
      whole(s.positives),
    ]),
  ];
  const lines = [
    `  ${colors.bold(`QWK ${dashed(regression.qwk)}`)} ${interval(regression.qwkInterval)} on ${whole(folds.test.eyes)} held-out eyes of ${whole(folds.test.patients)} patients; without regression ${dashed(baseline.qwk)}`,
    '',
    ...headed(rows),
  ];
  if (metrics.source === 'synthetic') {
    lines.push('', colors.dim('  Made-up eyes: this shows that the pipeline works, and says nothing about medicine.'));
  }
  if (images.ignored) lines.push('', `  ${ignoredFiles(images.ignored)}`);
  const stages = (work.stages ?? []).map(s => `${s.name} ${s.reused ? 'found' : duration(s.seconds)}`);
  if (stages.length > 0) lines.push('', `  ${colors.dim('time')}  ${stages.join(' · ')}`);
  lines.push(
    `  ${colors.dim('work')}  ${whole(work.segmentsTrained)} segments trained, ${whole(work.segmentsReused ?? 0)} found, ${whole(work.segmentsRepeated)} begun in vain (${whole(work.iterationsLost)} iterations)`,
  );
  return lines;
}

/** Formats the number of files in the archive that are not images and do not count. */
export function ignoredFiles(n: number): string {
  return `ignored: ${counted(n, 'other file')}`;
}

function interval(value: [number, number] | null): string {
  return value === null ? '–' : `${value[0].toFixed(3)}–${value[1].toFixed(3)}`;
}

function percent(value: number | null): string {
  return value === null ? '–' : `${(100 * value).toFixed(1)} %`;
}
