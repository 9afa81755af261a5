/**
 * Search attributes, set if the namespace has them, that filter and sort the list of workflows:
 * `RetinopathyStage = "train"`, `RetinopathyQwk > 0.8`.
 */
import { defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from '@temporalio/common';
import type { Stage } from '../config/stages.ts';

export const SEARCH_ATTRIBUTES = {
  /** Source of the input: `synthetic`, `kaggle`, a folder or a URL. */
  source: defineSearchAttributeKey('RetinopathySource', SearchAttributeType.KEYWORD),
  /** The stage that is running or ran last; `finished` at the end. */
  stage: defineSearchAttributeKey('RetinopathyStage', SearchAttributeType.KEYWORD),
  /** Quadratic weighted kappa on the test fold. */
  qwk: defineSearchAttributeKey('RetinopathyQwk', SearchAttributeType.DOUBLE),
  /** Area under the ROC curve for referable disease, <0..1>/<2..4>, on the test fold. */
  referableAuc: defineSearchAttributeKey('RetinopathyReferableAuc', SearchAttributeType.DOUBLE),
};

/** Maximum length of a keyword on a service that keeps its list in an SQL database. */
const KEYWORD_LENGTH = 255;

/** Returns the attributes of a run that starts a stage. */
export function atStage(source: string, stage: Stage): SearchAttributePair[] {
  return [
    { key: SEARCH_ATTRIBUTES.source, value: source.slice(0, KEYWORD_LENGTH) },
    { key: SEARCH_ATTRIBUTES.stage, value: stage },
  ];
}

/** Returns the attributes of a successful run. A run that stopped before the last stage has no `qwk` and no `auc1`. */
export function atEnd({ qwk, auc1 }: Record<string, number>): SearchAttributePair[] {
  return [
    { key: SEARCH_ATTRIBUTES.stage, value: 'finished' },
    ...(qwk === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.qwk, value: qwk }]),
    ...(auc1 === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.referableAuc, value: auc1 }]),
  ];
}
