/** Whether a run that was harmed came to the same as a calm one. */
import { isDeepStrictEqual } from 'node:util';
import type { Results } from './run.ts';

export interface Difference {
  what: string;
  same: boolean;
  /** For people. */
  detail: string;
}

export function compareOutcomes(calm: Results, harmed: Results): Difference[] {
  const keys = new Set([...calm.weights.keys(), ...harmed.weights.keys()]);
  const other = [...keys].filter(key => calm.weights.get(key) !== harmed.weights.get(key));
  return [
    {
      what: 'weights of every segment',
      same: other.length === 0,
      detail: `${keys.size - other.length} of ${keys.size} are the same bytes`,
    },
    {
      what: 'metrics.json',
      same: isDeepStrictEqual(calm.metrics, harmed.metrics),
      detail: 'but for the work that it took',
    },
    { what: 'predictions.csv', same: calm.predictions === harmed.predictions, detail: 'byte for byte' },
  ];
}
