/** Builds Caffe's solver for one segment, with the rate policies of NVIDIA DIGITS: steps in percent of the whole run. */
import type { PipelineInput, RatePolicy } from '../../config/input.ts';
import { FILES } from './network.ts';
import { type Message, message, type Shape } from './prototxt.ts';

const MOMENTUM = 0.9;
const WEIGHT_DECAY = 0.0005;
/** Display lines are the only sign of progress. At the 0.65 s per iteration of a 2012 GPU, five iterations take 3.3 s. */
const LONGEST_DISPLAY = 5;

type Settings = Pick<PipelineInput['training'], 'baseRate' | 'policy'> &
  Partial<Pick<PipelineInput['training'], 'accumulate'>>;

/** Iterations, counted over the whole run: a segment runs those after `from` up to `to`. */
interface SolverSegment {
  from: number;
  to: number;
  seed: number;
}

/**
 * Builds the solver of a segment.
 * @param planned the segment: the solver starts from the snapshot at `from` and ends at `to`
 * @param wholeRun iterations of the whole run as planned; a segment beyond keeps the rate of the last of them
 * @param rate of a segment beyond the planned end, if `extend` gave one
 */
export function segmentSolver(
  planned: SolverSegment,
  wholeRun: number,
  { baseRate, policy, accumulate = 1 }: Settings,
  rate: number | null = null,
): Message {
  const beyond = planned.from >= wholeRun;
  const middle = (planned.from + planned.to) / 2;
  return message({
    train_net: FILES.net,
    type: 'SGD',
    momentum: MOMENTUM,
    weight_decay: WEIGHT_DECAY,
    ...(beyond
      ? { base_lr: rate ?? rateAt(policy, baseRate, wholeRun, wholeRun - 1), lr_policy: 'fixed' }
      : ratePolicy(policy, baseRate, wholeRun, middle)),
    ...(accumulate > 1 && { iter_size: accumulate }),
    max_iter: planned.to,
    display: displayInterval(planned),
    random_seed: planned.seed,
    snapshot_prefix: FILES.snapshotPrefix,
  });
}

/** Builds a solver that runs a net for one iteration and stores nothing. */
export function probeSolver(): Message {
  return message({
    train_net: FILES.net,
    type: 'SGD',
    base_lr: 0.001,
    lr_policy: 'fixed',
    momentum: MOMENTUM,
    max_iter: 1,
    random_seed: 1,
    snapshot_prefix: FILES.snapshotPrefix,
    snapshot_after_train: false,
  });
}

/**
 * Returns the interval of the display lines. The last iteration of the segment is a multiple, and so is one before it,
 * so that the log ends with the loss and contains the rate.
 */
function displayInterval({ from, to }: SolverSegment): number {
  let interval = Math.min(LONGEST_DISPLAY, to - from);
  while (to % interval !== 0) interval--;
  return interval;
}

/**
 * Returns the rate fields as DIGITS writes them into a solver, except for `poly` and `sigmoid`, where each segment has the fixed
 * rate of its middle. Caffe computes `poly` from `max_iter`, which is the end of the segment here. Its builds of 2018 reject a
 * falling `sigmoid`, whose gamma is negative (`Check failed: this->param_.gamma() >= 0`).
 */
function ratePolicy(policy: RatePolicy, baseRate: number, wholeRun: number, middle: number): Shape {
  const percent = wholeRun / 100;
  switch (policy.type) {
    case 'fixed':
      return { base_lr: baseRate, lr_policy: 'fixed' };
    case 'step':
      return { base_lr: baseRate, lr_policy: 'step', gamma: policy.gamma, stepsize: Math.ceil(policy.step * percent) };
    case 'multistep':
      return {
        base_lr: baseRate,
        lr_policy: 'multistep',
        gamma: policy.gamma,
        stepvalue: policy.steps.toSorted((a, b) => a - b).map(step => Math.ceil(step * percent)),
      };
    case 'exp':
      return { base_lr: baseRate, lr_policy: 'exp', gamma: policy.gamma ** (1 / percent) };
    case 'inv':
      return { base_lr: baseRate, lr_policy: 'inv', gamma: policy.gamma / percent, power: policy.power };
    case 'poly':
    case 'sigmoid':
      return { base_lr: rateAt(policy, baseRate, wholeRun, middle), lr_policy: 'fixed' };
  }
}

/**
 * Returns the learning rate of an iteration, counted from 0, as Caffe computes it from DIGITS' solver.
 * Source: `SGDSolver::GetLearningRate` in BVLC's sgd_solver.cpp.
 */
export function rateAt(policy: RatePolicy, baseRate: number, wholeRun: number, iteration: number): number {
  const percent = wholeRun / 100;
  switch (policy.type) {
    case 'fixed':
      return baseRate;
    case 'step':
      return baseRate * policy.gamma ** Math.floor(iteration / Math.ceil(policy.step * percent));
    case 'multistep':
      return baseRate * policy.gamma ** policy.steps.filter(step => iteration >= Math.ceil(step * percent)).length;
    case 'exp':
      return baseRate * policy.gamma ** (iteration / percent);
    case 'inv':
      return baseRate * (1 + (policy.gamma / percent) * iteration) ** -policy.power;
    case 'poly':
      return baseRate * (1 - iteration / wholeRun) ** policy.power;
    case 'sigmoid':
      return baseRate / (1 + Math.exp((policy.gamma / percent) * (iteration - Math.ceil(policy.step * percent))));
  }
}
