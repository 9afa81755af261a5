/** What judged records say about a network. */
import { rocAuc } from '../regression/roc.ts';
import type { JudgedRecord } from './judge.ts';

/** Caffe prints six digits: a probability of 0 may be as large as this. */
const SMALLEST = 1e-7;

export interface Evaluation {
  /** Area under the ROC curve over all records; null when only one class is there. */
  auc: (number | null)[];
  /** Share of records on the right side of 0.5. */
  accuracy: number[];
  /** Mean −ln of the probability of the true class. */
  loss: number[];
}

/** One figure for each head, in their order. */
export function evaluate(records: readonly JudgedRecord[], heads: readonly number[]): Evaluation {
  const perHead = heads.map((k, head) => {
    const positive = records.map(({ stage }) => (stage > k ? 1 : 0));
    const scores = records.map(({ p }) => p[head]!);
    const mean = (of: (score: number, positive: number) => number) =>
      scores.reduce((sum, score, i) => sum + of(score, positive[i]!), 0) / scores.length;
    return {
      auc: rocAuc(positive, scores),
      accuracy: mean((score, truth) => (score > 0.5 ? truth : 1 - truth)),
      loss: mean((score, truth) => -Math.log(Math.max(truth === 1 ? score : 1 - score, SMALLEST))),
    };
  });
  return {
    auc: perHead.map(({ auc }) => auc),
    accuracy: perHead.map(({ accuracy }) => accuracy),
    loss: perHead.map(({ loss }) => loss),
  };
}
