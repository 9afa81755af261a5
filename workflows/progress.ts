/** Answer of the `progress` query, and its Markdown for the details in the Web UI. */
import type { LostWork, SplitProgress, StageProgress } from '../activities/run/types.ts';
import type { Stage } from '../config/input.ts';
import { splitLabel } from './ids.ts';

export type { SplitProgress, StageProgress };

export interface Progress {
  run: string;
  state: 'starting' | 'running' | 'paused' | 'finished';
  source: string;
  stages: Record<Stage, StageProgress>;
  splits: SplitProgress[];
  /** Requests to the run: name, time in milliseconds since the epoch, and the resulting plan or the reason for refusal. */
  steering: { asked: string; plan: string; at: number }[];
  /** Activities of the running stage that fail repeatedly. */
  retries: Retry[];
  /** Present if the input has a budget. */
  budget?: BudgetProgress;
}

/** An activity that is being retried. */
export interface Retry {
  /** ID of the activity, unique in the whole run. */
  id: string;
  activity: string;
  /** Minimum number of attempts that have failed since `since`, in milliseconds since the epoch. */
  attempts: number;
  since: number;
  /** Reason of the latest failed attempt. */
  reason: string;
}

/** A null reason means that the retries are over. */
export type RetryMessage = Omit<Retry, 'reason'> & { reason: string | null };

export interface BudgetProgress {
  currency: string;
  perGpuHour: number;
  limit: number;
  /** Sum over the trainings, each of which reports after every epoch. */
  spent: number;
  /** While the budget pauses the run: the unfinished trainings, each with the cost of its next epoch. */
  waiting: { name: string; cost: number }[];
}

/** Message from a child to its parent; it replaces earlier values of the same fields. */
export type ProgressMessage =
  | { kind: 'stage'; stage: Stage; progress: Partial<StageProgress> }
  | { kind: 'splits'; name: string; splits: SplitProgress[]; cost: TrainingCost };

/** Cost in GPU seconds. */
export interface TrainingCost {
  /** Cost so far, including lost attempts; cached work costs nothing. */
  spent: number;
  /** Estimated cost of the next step: an epoch costs as much as the one before, scoring as much as evaluation. 0 at the end. */
  next: number;
}

const UNITS: Record<Stage, string> = {
  download: 'parts',
  prepare: 'shards',
  label: 'databases',
  train: 'epochs',
  regress: 'steps',
};

export function initialProgress(run: string, stages: readonly Stage[]): Progress {
  return {
    run,
    state: 'starting',
    source: '',
    stages: Object.fromEntries(stages.map(stage => [stage, waiting(UNITS[stage])])) as Record<Stage, StageProgress>,
    splits: [],
    steering: [],
    retries: [],
  };
}

function waiting(unit: string): StageProgress {
  return {
    ...{ state: 'waiting', done: 0, of: 0, unit },
    ...{ startedAt: null, endedAt: null, reason: '', counts: {} },
  };
}

/** Number of latest requests that a run remembers. */
const STEERING_KEPT = 100;

export function noteRequest(progress: Progress, asked: string, plan: string): void {
  progress.steering = [...progress.steering, { asked, plan, at: Date.now() }].slice(-STEERING_KEPT);
}

/** Number of latest retries that are kept. */
const RETRIES_KEPT = 10;

export function noteRetry(progress: Progress, { reason, ...retry }: RetryMessage): void {
  const others = progress.retries.filter(({ id }) => id !== retry.id);
  progress.retries = (reason === null ? others : [...others, { ...retry, reason }]).slice(-RETRIES_KEPT);
}

/** Formats iterations, losses and metrics of the splits as a Markdown table. */
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

/** Returns `3, 48 iterations` for 3 lost attempts. */
export function lostText({ attempts, iterations }: LostWork): string {
  return attempts === 0 ? '0' : `${attempts}, ${iterations} iterations`;
}

/** Returns `0.84 of 1.00 EUR spent`, and the trainings that wait for a higher limit. */
export function budgetText({ currency, limit, spent, waiting }: BudgetProgress): string {
  const money = (n: number) => n.toFixed(n < 1 && n > 0 ? 4 : 2);
  const text = `${money(spent)} of ${money(limit)} ${currency} spent`;
  if (waiting.length === 0) return text;
  const who = waiting.map(({ name }) => name).join(', ');
  const cost = waiting.reduce((sum, each) => sum + each.cost, 0);
  return `${text}; paused by the budget: ${who}, as what comes next would cost about ${money(cost)} ${currency}. The update \`raiseBudget\` goes on`;
}

/** Number of latest requests in the details. */
const STEERING_SHOWN = 5;

/** Formats the whole run as Markdown, for the current details of the parent. */
export function progressDetails(progress: Progress): string {
  const rows = Object.entries(progress.stages).flatMap(([stage, s]) => [
    // The Web UI renders a slash between two numbers as a fraction.
    `| **${stage}** | ${s.state} | ${s.of > 0 ? `${s.done} of ${s.of} ${s.unit}` : ''} | ${seconds(s)} | ${s.reason} |`,
    ...parts(stage as Stage, s).map(([part, text, took = '']) => `| ${part} | | ${text} | ${took} | |`),
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
    ...progress.retries.map(
      ({ activity, attempts, since, reason }) =>
        `- **${activity}** is tried again, ${attempts} tries failed since ${clock(since)}: ${reason}`,
    ),
    ...progress.steering.slice(-STEERING_SHOWN).map(({ asked, plan, at }) => `- ${clock(at)} **${asked}**: ${plan}`),
  ].join('\n');
}

/** Returns a time of day in UTC: `19:20:01`. */
export function clock(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}

type Part = readonly [part: string, text: string, seconds?: string];

/** Returns the rows below a stage's own, one a kind of work. Seconds of parallel work are added up. */
function parts(stage: Stage, { counts: c }: StageProgress): Part[] {
  const n = (name: string) => (c[name] ?? 0).toLocaleString('en');
  const took = (name: string) => (c[name] ?? 0).toFixed(0);
  const mega = (name: string) => `${((c[name] ?? 0) / 1e6).toLocaleString('en', { maximumFractionDigits: 1 })} MB`;
  if (Object.keys(c).length === 0) return [];
  const augmented = `${n('pictures')} pictures`;
  const archive = `${n('parts')} parts, ${mega('bytes')} (${mega('fetched')} fetched), ${n('labels')} labels`;
  const unzipped = `${n('entries')} entries, ${mega('bytes')}, ${n('crcErrors')} CRC errors`;
  const folds = `${n('trainEyes')} eyes to train on, ${n('validationEyes')} to choose by, ${n('testEyes')} to judge by`;
  const kappa = `QWK ${figure(c.qwk ?? null)}, without regression ${figure(c.baselineQwk ?? null)}`;
  switch (stage) {
    case 'download':
      return [['– archive', archive]];
    case 'prepare': {
      if (c.entries === undefined) return [['– augment', augmented]];
      const others: Part[] = c.ignored === undefined ? [] : [['– other files', `${n('ignored')} ignored`]];
      return [
        ['– unzip', unzipped, took('unzipSeconds')],
        ['– augment', `${augmented}, ${n('quarantined')} quarantined`, took('augmentSeconds')],
        ...others,
      ];
    }
    case 'label':
      return [
        ['– folds', folds],
        ['– databases', `${n('records')} records in ${n('databases')} databases`],
      ];
    case 'train':
      return [];
    case 'regress':
      return [['– kappa', kappa]];
  }
}

/** Formats counts as `pictures 600 · quarantined 0`. */
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

export const SCORING_STEPS = ['download', 'prepare', 'score'] as const;
export type ScoringStep = (typeof SCORING_STEPS)[number];

/** Answer of the `progress` query of a scoring. */
export interface ScoringProgress {
  /** ID of the scoring; `run` is the ID of the run whose networks score. */
  id: string;
  run: string;
  archive: string;
  state: 'starting' | 'running' | 'finished';
  steps: Record<ScoringStep, StageProgress>;
}

const SCORING_UNITS: Record<ScoringStep, string> = { download: 'files', prepare: 'shards', score: 'tables' };

export function initialScoring(id: string, run: string): ScoringProgress {
  const steps = Object.fromEntries(SCORING_STEPS.map(step => [step, waiting(SCORING_UNITS[step])]));
  return { id, run, archive: '', state: 'starting', steps: steps as Record<ScoringStep, StageProgress> };
}

/** Formats the whole scoring as Markdown. */
export function scoringDetails({ id, run, archive, state, steps }: ScoringProgress): string {
  const rows = SCORING_STEPS.map(step => {
    const s = steps[step];
    const done = s.of > 0 ? `${s.done} of ${s.of} ${s.unit}` : '';
    return `| **${step}** | ${s.state} | ${done} | ${counts(s.counts)} | ${s.reason} |`;
  });
  return [
    `**${id}** · ${archive} by the networks of ${run} · ${state}`,
    '',
    '| step | state | done | counts | why |',
    '|---|---|---|---|---|',
    ...rows,
  ].join('\n');
}
