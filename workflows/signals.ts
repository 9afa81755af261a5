/** Queries, updates and signals: how a run is watched and steered. */
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { Progress, ProgressMessage } from './progress.ts';
import type { SpendRequest } from './purse.ts';
import type { ScoringProgress } from './scoring-progress.ts';

export const progressQuery = defineQuery<Progress>('progress');
/** The same of a scoring. */
export const scoringQuery = defineQuery<ScoringProgress>('progress');

/** What a steering request comes to: the plan that is now in force. */
export interface SteeringAnswer {
  state: Progress['state'];
  plan: string;
}

export const pauseUpdate = defineUpdate<SteeringAnswer>('pause');
export const resumeUpdate = defineUpdate<SteeringAnswer>('resume');
export const stopEarlyUpdate = defineUpdate<SteeringAnswer, [split: number | undefined]>('stopEarly');
export const extendUpdate = defineUpdate<SteeringAnswer, [epochs: number, rate: number | undefined]>('extend');
export const raiseBudgetUpdate = defineUpdate<SteeringAnswer, [limit: number]>('raiseBudget');

export const pauseSignal = defineSignal('pause');
export const resumeSignal = defineSignal('resume');
export const stopEarlySignal = defineSignal<[split: number | undefined]>('stopEarly');
export const extendSignal = defineSignal<[epochs: number, rate: number | undefined]>('extend');
export const raiseBudgetSignal = defineSignal<[limit: number]>('raiseBudget');

/** From a child to its parent. */
export const progressSignal = defineSignal<[ProgressMessage]>('stageProgress');
/** From a training to its parent: what it has spent, and what it needs next. */
export const spendSignal = defineSignal<[SpendRequest]>('spend');

/** From the parent to its children. */
export type Steering =
  | { kind: 'pause' }
  | { kind: 'resume' }
  | { kind: 'stopEarly'; split: number | null }
  | { kind: 'extend'; epochs: number; rate?: number }
  | { kind: 'withoutTurns' }
  | { kind: 'spend'; ceiling: number };
export const steeringSignal = defineSignal<[Steering]>('steering');
