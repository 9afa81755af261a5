/** What the `progress` query answers, and how it is written into the Web UI's details. */
import type { EpochPoint } from '../activities/progress-page/types.ts';
import type { LostWork } from '../activities/training/types.ts';
import type { Stage } from '../config/input.ts';
import { splitLabel } from './names.ts';

export type StageState = 'waiting' | 'running' | 'done' | 'reused' | 'skipped';

export interface StageProgress {
  state: StageState;
  /** Units finished, of all: parts, shards, databases, epochs over all splits, 1. */
  done: number;
  of: number;
  unit: string;
  /** Milliseconds since the epoch. */
  startedAt: number | null;
  endedAt: number | null;
  /** Why it is made or reused. */
  reason: string;
  /** Figures for people: pictures, bytes, quarantined … */
  counts: Record<string, number>;
}

export interface SplitProgress {
  k: number;
  name: string;
  epoch: number;
  epochs: number;
  iteration: number;
  iterations: number;
  loss: number | null;
  accuracy: number | null;
  auc: number | null;
  bestAuc: number | null;
  bestEpoch: number | null;
  segmentsTrained: number;
  segmentsReused: number;
  /** Attempts of segments whose work was done again, what they had done, and why. */
  lost: LostWork;
  /** What each epoch came to; a training tells its parent only of those that are new. Absent in what older releases tell. */
  curve?: EpochPoint[];
}

export interface Progress {
  run: string;
  state: 'starting' | 'running' | 'paused' | 'finished';
  source: string;
  stages: Record<Stage, StageProgress>;
  splits: SplitProgress[];
  /** What was asked of the run, when (milliseconds since the epoch), and what came of it: the plan then in force, or why it was refused. */
  steering: { asked: string; plan: string; at: number }[];
  /** Where the input has a budget, as soon as the training begins. */
  budget?: BudgetProgress;
}

export interface BudgetProgress {
  currency: string;
  perGpuHour: number;
  limit: number;
  /** By what the trainings have told: each does at least once an epoch. */
  spent: number;
  /** Trainings whose next task would overspend, and what it would cost: they are paused by the budget, whatever the run's state. */
  waiting: { name: string; cost: number }[];
}

/** What a child tells its parent; each message replaces what it said before. */
export type ProgressMessage =
  | { kind: 'stage'; stage: Stage; progress: Partial<StageProgress> }
  | { kind: 'splits'; name: string; splits: SplitProgress[] };

const UNITS: Record<Stage, string> = {
  download: 'parts',
  prepare: 'shards',
  label: 'databases',
  train: 'epochs',
  regress: 'steps',
};

export function initialProgress(run: string, stages: readonly Stage[]): Progress {
  const waiting = (stage: Stage): StageProgress => ({
    state: 'waiting',
    done: 0,
    of: 0,
    unit: UNITS[stage],
    startedAt: null,
    endedAt: null,
    reason: '',
    counts: {},
  });
  return {
    run,
    state: 'starting',
    source: '',
    stages: Object.fromEntries(stages.map(stage => [stage, waiting(stage)])) as Record<Stage, StageProgress>,
    splits: [],
    steering: [],
  };
}

/** Iterations and losses of the four splits as a Markdown table. */
export function splitsTable(splits: readonly SplitProgress[]): string {
  if (splits.length === 0) return '';
  const rows = splits.map(
    s =>
      `| ${splitLabel(s.k).replace('|', '\\|')} | ${s.epoch} of ${s.epochs} | ${s.iteration} of ${s.iterations} | ${figure(s.loss)} | ${figure(s.accuracy)} | ${figure(s.auc)} | ${figure(s.bestAuc)} | ${lostText(s.lost)} |`,
  );
  return [
    '| split | epoch | iteration | loss | accuracy | AUC | best AUC | attempts lost |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}

/** `3 (2 killed, 1 shut down), 48 iterations` */
export function lostText({ attempts, iterations, reasons }: LostWork): string {
  if (attempts === 0) return '0';
  const by = Object.entries(reasons).map(([reason, n]) => `${n} ${reason}`);
  return `${attempts}${by.length > 0 ? ` (${by.join(', ')})` : ''}, ${iterations} iterations`;
}

/** `0.84 of 1.00 EUR spent`, and who waits for more. */
export function budgetText({ currency, limit, spent, waiting }: BudgetProgress): string {
  const money = (n: number) => n.toFixed(n < 1 && n > 0 ? 4 : 2);
  const text = `${money(spent)} of ${money(limit)} ${currency} spent`;
  const [first] = waiting;
  if (!first) return text;
  const who = waiting.map(({ name }) => name).join(', ');
  return `${text}; paused by the budget: ${who}, as the next task would cost about ${money(first.cost)} ${currency}. The update \`raiseBudget\` goes on`;
}

/** Requests in the details: the latest ones. */
const STEERING_SHOWN = 5;

/** The whole run in Markdown: the current details of the parent. */
export function progressDetails(progress: Progress): string {
  const rows = Object.entries(progress.stages).flatMap(([stage, s]) => [
    // A slash between two numbers would be set as a fraction.
    `| **${stage}** | ${s.state} | ${s.of > 0 ? `${s.done} of ${s.of} ${s.unit}` : ''} | ${seconds(s)} | ${s.reason} |`,
    ...parts(stage as Stage, s).map(([part, took, text]) => `| ${part} | | ${text} | ${took} | |`),
  ]);
  return [
    `**${progress.run}** · ${progress.source} · ${progress.state}`,
    '',
    '| stage | state | done | seconds | why |',
    '|---|---|---|---|---|',
    ...rows,
    '',
    splitsTable(progress.splits),
    ...(progress.budget ? ['', `Budget: ${budgetText(progress.budget)}`] : []),
    '',
    ...progress.steering
      .slice(-STEERING_SHOWN)
      .map(({ asked, plan, at }) => `- ${new Date(at).toISOString().slice(11, 19)} **${asked}**: ${plan}`),
  ].join('\n');
}

/** Rows below a stage's own: what it has done, by kind of work; `seconds` of work that ran in parallel count twice. */
function parts(stage: Stage, { counts: c }: StageProgress): [part: string, seconds: string, text: string][] {
  const n = (name: string) => (c[name] ?? 0).toLocaleString('en');
  const took = (name: string) => (c[name] ?? 0).toFixed(0);
  const mega = (name: string) => `${((c[name] ?? 0) / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} MB`;
  if (Object.keys(c).length === 0) return [];
  switch (stage) {
    case 'download':
      return [
        ['– archive', '', `${n('parts')} parts, ${mega('bytes')} (${mega('fetched')} fetched), ${n('labels')} labels`],
      ];
    case 'prepare':
      return c.entries === undefined
        ? [['– augment', '', `${n('pictures')} pictures`]]
        : [
            [
              '– unzip',
              took('unzipSeconds'),
              `${n('entries')} entries, ${mega('bytes')}, ${n('crcErrors')} CRC errors`,
            ],
            ['– augment', took('augmentSeconds'), `${n('pictures')} pictures, ${n('quarantined')} quarantined`],
          ];
    case 'label':
      return [
        [
          '– folds',
          '',
          `${n('trainEyes')} eyes to train on, ${n('validationEyes')} to choose by, ${n('testEyes')} to judge by`,
        ],
        ['– databases', '', `${n('records')} records in ${n('databases')} databases`],
      ];
    case 'train':
      return [];
    case 'regress':
      return [['– kappa', '', `QWK ${figure(c.qwk ?? null)}, without regression ${figure(c.baselineQwk ?? null)}`]];
  }
}

/** Counts as `pictures 600 · quarantined 0`. */
export function counts(values: Record<string, number>): string {
  return Object.entries(values)
    .map(([name, value]) => `${name} ${Number.isInteger(value) ? value.toLocaleString('en') : value.toFixed(3)}`)
    .join(' · ');
}

function figure(value: number | null): string {
  return value === null ? '–' : value.toFixed(3);
}

function seconds(stage: StageProgress): string {
  if (stage.startedAt === null || stage.endedAt === null) return '';
  return ((stage.endedAt - stage.startedAt) / 1000).toFixed(0);
}
