/** Queries, updates and signals of a run, with the schemas of their arguments. */
import { defineQuery, defineUpdate } from '@temporalio/workflow';
import { z } from 'zod';
import type { EpochPoint } from '../activities/run/types.ts';
import { MAX_BASE_RATE, MAX_EPOCHS, STAGES } from '../config/stages.ts';
import { inWords, type Request, type Schemas, signalOf, type Values } from './handlers.ts';
import type {
  Progress,
  ProgressMessage,
  RetryMessage,
  ScoringProgress,
  SplitProgress,
  StageProgress,
} from './progress.ts';

export const progressQuery = defineQuery<Progress>('progress');
/** The `progress` query of a scoring. */
export const scoringQuery = defineQuery<ScoringProgress>('progress');

/** Answer to a request: the state of the run and the plan now in force. */
export interface SteeringAnswer {
  state: Progress['state'];
  plan: string;
}

const rate = z.number().positive().max(MAX_BASE_RATE);

export const pauseRequest = requestOf('pause');
export const resumeRequest = requestOf('resume');
export const stopEarlyRequest = requestOf(
  'stopEarly',
  inWords(z.literal([0, 1, 2, 3]).optional(), 'a split is 0, 1, 2 or 3'),
);
export const extendRequest = requestOf(
  'extend',
  inWords(z.int().min(1), 'epochs must be an integer from 1'),
  inWords(rate.optional(), `a rate must be a number above 0 up to ${MAX_BASE_RATE}`),
);
export const raiseBudgetRequest = requestOf('raiseBudget', inWords(z.number(), 'a limit must be a number'));

const name = z.string().max(255);
const figure = z.number();
const figureOrNone = z.number().nullable();
/** Display-only text, truncated because the page of a run and the answer to a query have size limits. */
const shown = z.string().transform(text => text.slice(0, 1000));

const stageProgress: z.ZodType<Partial<StageProgress>> = z.object({
  state: z.enum(['waiting', 'running', 'done', 'reused', 'skipped']).exactOptional(),
  done: figure.exactOptional(),
  of: figure.exactOptional(),
  unit: name.exactOptional(),
  startedAt: figureOrNone.exactOptional(),
  endedAt: figureOrNone.exactOptional(),
  reason: shown.exactOptional(),
  counts: z
    .record(name, figure)
    .refine(counts => Object.keys(counts).length <= 100)
    .exactOptional(),
});

const epochPoint: z.ZodType<EpochPoint> = z.object({
  epoch: z.int(),
  loss: figureOrNone,
  validationLoss: figureOrNone,
  auc: figureOrNone,
  trainingAuc: figureOrNone,
});

const splitProgress: z.ZodType<SplitProgress> = z.object({
  k: z.literal([0, 1, 2, 3]),
  name,
  epoch: figure,
  epochs: figure,
  iteration: figure,
  iterations: figure,
  loss: figureOrNone,
  accuracy: figureOrNone,
  auc: figureOrNone,
  bestAuc: figureOrNone,
  bestEpoch: figureOrNone,
  segmentsTrained: figure,
  segmentsReused: figure,
  lost: z.object({
    attempts: figure,
    iterations: figure,
    seconds: figure,
  }),
  curve: z.array(epochPoint).max(MAX_EPOCHS),
});

const cost = z.object({ spent: figure, next: figure });

const progressMessage: z.ZodType<ProgressMessage> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('stage'), stage: z.enum(STAGES), progress: stageProgress }),
  z.object({ kind: z.literal('splits'), name, splits: z.array(splitProgress).max(4), cost }),
]);
/** Sent by a child to its parent. */
export const progressSignal = signalOf('stageProgress', progressMessage);

const retry: z.ZodType<RetryMessage> = z.object({
  ...{ id: z.string().max(1000), activity: name, attempts: z.int() },
  since: z.number().min(0).max(8.64e15),
  reason: shown.nullable(),
});
/** Sent by an activity that fails repeatedly. */
export const retryingSignal = signalOf('retrying', retry);

const steering = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('pause') }),
  z.object({ kind: z.literal('resume') }),
  z.object({ kind: z.literal('counted') }),
  z.object({
    kind: z.literal('stopEarly'),
    split: z.literal([0, 1, 2, 3]).nullable(),
    epoch: z.int().min(1).max(MAX_EPOCHS).exactOptional(),
  }),
  z.object({ kind: z.literal('extend'), epochs: z.int().min(1).max(MAX_EPOCHS), rate: rate.exactOptional() }),
]);
/** Message from the parent to its children. */
export type Steering = z.output<typeof steering>;
export const steeringSignal = signalOf('steering', steering);

function requestOf<const Of extends Schemas>(name: string, ...schemas: Of): Request<SteeringAnswer, Values<Of>> {
  return { update: defineUpdate<SteeringAnswer, Values<Of>>(name), signal: signalOf(name, ...schemas) };
}
