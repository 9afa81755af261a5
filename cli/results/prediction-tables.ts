/** Formats predictions as CSV and as tables. Pure. */
import colors from 'picocolors';
import type { Prediction } from '../../inference/predict.ts';
import type { TrainedRun } from '../../inference/trained-run.ts';
import { headed } from '../../lib/format.ts';

export const NOT_A_DEVICE =
  'Not a medical device: nobody has tested this on patients. Have eyes looked at by a doctor.';

const STAGES = [0, 1, 2, 3, 4];
const SPLITS = [0, 1, 2, 3];
const HEADER = ['file', ...SPLITS.map(k => `p${k}`), 'expected', 'predicted', ...STAGES.map(k => `stage${k}`)];

/** Formats `file,p0,p1,p2,p3,expected,predicted,stage0,…,stage4,fellow,reason`, a line for each image, with all digits. */
export function formatOwnPredictions(predictions: readonly Prediction[]): string {
  const lines = predictions.map(prediction => {
    const file = quoted(prediction.file);
    if ('reason' in prediction) return [file, ...HEADER.slice(1).map(() => ''), '', quoted(prediction.reason)];
    const { eye, fellow } = prediction;
    return [file, ...eye.p, eye.expected, eye.predicted, ...eye.stages, fellow ? 'yes' : 'no', ''];
  });
  return [[...HEADER, 'fellow', 'reason'], ...lines].map(cells => `${cells.join(',')}\n`).join('');
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Formats the predictions as a table, with notes that explain its figures. */
export function predictionLines(
  predictions: readonly Prediction[],
  { input, metrics, networks }: Pick<TrainedRun, 'input' | 'metrics' | 'networks'>,
): string[] {
  const header = ['', 'stage', 'value', ...SPLITS.map(k => `P(>${k})`), ...STAGES.map(k => `P(${k})`)];
  const eyes = predictions.flatMap(each => ('eye' in each ? [each] : []));
  const rows = eyes.map(({ file, eye, fellow }) => [
    fellow ? `${file} *` : file,
    String(eye.predicted),
    eye.expected.toFixed(2),
    ...eye.p.map(p => p.toFixed(3)),
    ...eye.stages.map(p => `${(100 * p).toFixed(0)} %`),
  ]);
  const failed = predictions.flatMap(each => ('reason' in each ? [`  ${colors.red(each.file)}: ${each.reason}`] : []));
  const cuts = metrics.regression.cuts.map(cut => cut.toFixed(2)).join(', ');
  const versions = input.images.versions.length;
  const notes = [
    `stage: the regression's value, cut at ${cuts}`,
    `P(>k): that the stage is above k, by ${networks.length === 1 ? 'one network' : 'a network each'}, mean over ${versions} version${versions === 1 ? '' : 's'} of the picture`,
    'P(0) … P(4): each stage by the differences of these, made to fall first: how sure the networks are, without the regression',
    ...(eyes.some(({ fellow }) => fellow) ? ["*: the regression has seen the patient's other eye, too"] : []),
    ...(input.source === 'synthetic'
      ? ['This run was trained on made-up eyes: what it says of real ones means nothing.']
      : []),
    NOT_A_DEVICE,
  ];
  return [
    ...(rows.length === 0 ? [] : headed([header, ...rows])),
    ...failed,
    '',
    ...(rows.length === 0 ? [NOT_A_DEVICE] : notes).map(note => colors.dim(`  ${note}`)),
  ];
}
