/** What the list of workflows can be filtered and sorted by, where the namespace has it: `RetinopathyStage = "train"`, `RetinopathyQwk > 0.8`. */
import { defineSearchAttributeKey, type SearchAttributePair, SearchAttributeType } from '@temporalio/common';
import type { Stage } from '../config/stages.ts';

export const SEARCH_ATTRIBUTES = {
  /** `synthetic`, `kaggle`, a folder or a URL: the input's. */
  source: defineSearchAttributeKey('RetinopathySource', SearchAttributeType.KEYWORD),
  /** The stage that runs, or ran last; `finished` at the end. */
  stage: defineSearchAttributeKey('RetinopathyStage', SearchAttributeType.KEYWORD),
  /** Quadratic weighted kappa on the test fold. */
  qwk: defineSearchAttributeKey('RetinopathyQwk', SearchAttributeType.DOUBLE),
  /** Area under the ROC curve for referable disease, <0..1>/<2..4>, on the test fold. */
  referableAuc: defineSearchAttributeKey('RetinopathyReferableAuc', SearchAttributeType.DOUBLE),
};

/** What a keyword takes where the service keeps its list in an SQL database. */
const KEYWORD_LENGTH = 255;

/** Of a run that begins a stage. */
export function atStage(source: string, stage: Stage): SearchAttributePair[] {
  return [
    { key: SEARCH_ATTRIBUTES.source, value: source.slice(0, KEYWORD_LENGTH) },
    { key: SEARCH_ATTRIBUTES.stage, value: stage },
  ];
}

/** Of a run that has ended well; one that stopped before the last stage has no `qwk` and no `auc1`. */
export function atEnd({
  qwk = null,
  auc1 = null,
}: {
  qwk?: number | null;
  auc1?: number | null;
}): SearchAttributePair[] {
  return [
    { key: SEARCH_ATTRIBUTES.stage, value: 'finished' },
    ...(qwk === null ? [] : [{ key: SEARCH_ATTRIBUTES.qwk, value: qwk }]),
    ...(auc1 === null ? [] : [{ key: SEARCH_ATTRIBUTES.referableAuc, value: auc1 }]),
  ];
}
