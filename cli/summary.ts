/** What a finished run prints: the figures of metrics.json, and where the time went. Pure. */
import colors from 'picocolors';
import { duration, table, whole } from './format.ts';

/** The part of metrics.json that the summary reads. */
export interface SummaryMetrics {
  source: string;
  images: { seen: number; quarantined: number };
  folds: Record<'train' | 'validation' | 'test', { patients: number; eyes: number }>;
  splits: {
    name: string;
    auc: number | null;
    aucInterval: [number, number] | null;
    accuracy: number | null;
    majorityAccuracy: number | null;
    positives: number;
  }[];
  regression: { qwk: number | null; qwkInterval: [number, number] | null; mae: number | null; accuracy: number | null };
  baseline: { qwk: number | null };
  work: {
    stages?: { name: string; seconds: number; reused: boolean }[];
    segmentsTrained: number;
    segmentsReused?: number;
    segmentsRepeated: number;
    iterationsLost: number;
  };
}

export function summaryLines(metrics: SummaryMetrics): string[] {
  const { folds, regression, baseline, splits, work } = metrics;
  const rows = [
    ['split', 'AUC', '95 % interval', 'accuracy', 'majority', 'positives'],
    ...splits.map(s => [
      s.name,
      figure(s.auc),
      interval(s.aucInterval),
      percent(s.accuracy),
      percent(s.majorityAccuracy),
      whole(s.positives),
    ]),
  ];
  const lines = [
    `  ${colors.bold(`QWK ${figure(regression.qwk)}`)} ${interval(regression.qwkInterval)} on ${whole(folds.test.eyes)} held-out eyes of ${whole(folds.test.patients)} patients; without regression ${figure(baseline.qwk)}`,
    '',
    ...table(rows).map((line, i) => `  ${i === 0 ? colors.dim(line) : line}`),
  ];
  if (metrics.source === 'synthetic') {
    lines.push('', colors.dim('  Made-up eyes: this shows that the pipeline works, and says nothing about medicine.'));
  }
  const stages = (work.stages ?? []).map(s => `${s.name} ${s.reused ? 'found' : duration(s.seconds)}`);
  if (stages.length > 0) lines.push('', `  ${colors.dim('time')}  ${stages.join(' · ')}`);
  lines.push(
    `  ${colors.dim('work')}  ${whole(work.segmentsTrained)} segments trained, ${whole(work.segmentsReused ?? 0)} found, ${whole(work.segmentsRepeated)} begun in vain (${whole(work.iterationsLost)} iterations)`,
  );
  return lines;
}

function figure(value: number | null): string {
  return value === null ? '–' : value.toFixed(3);
}

function interval(value: [number, number] | null): string {
  return value === null ? '–' : `${value[0].toFixed(3)}–${value[1].toFixed(3)}`;
}

function percent(value: number | null): string {
  return value === null ? '–' : `${(100 * value).toFixed(1)} %`;
}
