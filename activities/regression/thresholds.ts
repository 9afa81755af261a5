/** Fits four thresholds that map a continuous score to grades 0–4. */

import { ascending, between } from '../../lib/roc.ts';
import { STAGE_COUNT } from './kappa.ts';

/** Thresholds of plain rounding, halfway between the grades. */
export const NATURAL_CUTS: readonly number[] = [0.5, 1.5, 2.5, 3.5];

/** Returns the grade of a score: the number of ascending thresholds that it reaches. */
export function stageOf(score: number, cuts: readonly number[]): number {
  let stage = 0;
  while (stage < cuts.length && score >= cuts[stage]!) stage++;
  return stage;
}

/**
 * Returns the four thresholds with the highest quadratic weighted kappa on the given eyes. The optimum is global, not that of a local
 * search.
 *
 * With mean ȳ and variance σ² of the grades, Σw·O = Σᵢ (yᵢ − ŷᵢ)² and Σw·E = Σᵢ ((ŷᵢ − ȳ)² + σ²): both are sums over eyes. For a
 * fixed ratio ρ the non-decreasing grades that minimize Σw·O − ρ·Σw·E follow by dynamic programming over the sorted scores.
 * Dinkelbach's iteration (Management Science 13, 1967) takes ρ to the smallest Σw·O / Σw·E in a few rounds: O(n log n) for sorting,
 * O(n) for each round.
 *
 * A threshold is halfway between two adjacent scores. The threshold of a grade without eyes is as near to the natural one as the
 * scores allow. So an unseen score far outside still gets a sensible grade.
 * @param grades actual grades 0–4
 */
export function bestCuts(grades: ArrayLike<number>, scores: ArrayLike<number>): number[] {
  const groups = groupByScore(grades, scores);
  if (groups.variance === 0) return [...NATURAL_CUTS];
  // A constant prediction has ratio 1. Where no thresholds beat it, all eyes get the grade nearest the mean.
  let ratio = 1;
  let starts = NATURAL_CUTS.map((_, k) => (k < Math.round(groups.mean) ? 0 : groups.score.length));
  // The ratio decreases until it converges. A decrease within rounding error counts as converged.
  for (;;) {
    const found = cheapestStages(groups, ratio);
    if (found.ratio > ratio - 1e-12) break;
    ratio = found.ratio;
    starts = found.starts;
  }
  return starts.map((start, k) => cutBefore(groups.score, start, NATURAL_CUTS[k]!));
}

interface Groups {
  /** Distinct scores, ascending. */
  score: number[];
  /** Number of eyes, sum of grades and sum of squared grades for each distinct score. */
  eyes: number[];
  sum: number[];
  squares: number[];
  /** Mean and variance of the grades of all eyes. */
  mean: number;
  variance: number;
}

function groupByScore(grades: ArrayLike<number>, scores: ArrayLike<number>): Groups {
  const groups: Groups = { score: [], eyes: [], sum: [], squares: [], mean: 0, variance: 0 };
  for (const eye of ascending(scores)) {
    const grade = grades[eye]!;
    if (groups.score.at(-1) !== scores[eye]) {
      groups.score.push(scores[eye]!);
      groups.eyes.push(0);
      groups.sum.push(0);
      groups.squares.push(0);
    }
    const at = groups.score.length - 1;
    groups.eyes[at]!++;
    groups.sum[at]! += grade;
    groups.squares[at]! += grade * grade;
  }
  const total = (values: number[]) => values.reduce((a, b) => a + b, 0);
  const eyes = total(groups.eyes);
  if (eyes > 0) {
    const sum = total(groups.sum);
    groups.mean = sum / eyes;
    // The sums are integers, so the variance is exactly zero when all grades are equal.
    groups.variance = (eyes * total(groups.squares) - sum * sum) / (eyes * eyes);
  }
  return groups;
}

/**
 * Finds the non-decreasing grades that minimize Σw·O − ratio·Σw·E.
 * @returns indexes of the groups where grades 1–4 start, and the ratio reached
 */
function cheapestStages(groups: Groups, ratio: number): { starts: number[]; ratio: number } {
  const { score, eyes, sum, squares, mean, variance } = groups;
  const best = new Float64Array(STAGE_COUNT);
  // Grade of the previous group, on the cheapest path that ends in each grade.
  const from = new Uint8Array(score.length * STAGE_COUNT);
  for (let group = 0; group < score.length; group++) {
    let cheapest = 0;
    let cost = Infinity;
    for (let stage = 0; stage < STAGE_COUNT; stage++) {
      // `best[stage]` still belongs to the previous group. A grade may follow itself or a lower one.
      if (best[stage]! < cost) {
        cost = best[stage]!;
        cheapest = stage;
      }
      from[group * STAGE_COUNT + stage] = cheapest;
      const observed = squares[group]! - 2 * stage * sum[group]! + stage * stage * eyes[group]!;
      const expected = eyes[group]! * ((stage - mean) ** 2 + variance);
      best[stage] = cost + observed - ratio * expected;
    }
  }
  let stage = best.indexOf(Math.min(...best));
  const starts = new Array<number>(STAGE_COUNT - 1).fill(score.length);
  let observed = 0;
  let expected = 0;
  for (let group = score.length - 1; group >= 0; group--) {
    for (let k = 0; k < stage; k++) starts[k] = group;
    observed += squares[group]! - 2 * stage * sum[group]! + stage * stage * eyes[group]!;
    expected += eyes[group]! * ((stage - mean) ** 2 + variance);
    stage = from[group * STAGE_COUNT + stage]!;
  }
  return { starts, ratio: observed / expected };
}

function cutBefore(score: readonly number[], start: number, natural: number): number {
  if (start === 0) return Math.min(natural, score[0]!);
  const below = score[start - 1]!;
  return start < score.length ? between(below, score[start]!) : Math.max(natural, between(below, below + 1e-6));
}
