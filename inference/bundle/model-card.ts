/** Renders `MODEL.md`, the model card: use, data, training, figures and limits of the model. Pure. */

import { FOLDS } from '../../activities/labels/types.ts';
import type { Interval } from '../../activities/regression/bootstrap.ts';
import { STAGE_NAMES } from '../../config/grades.ts';
import { dashed } from '../../lib/format.ts';
import type { TrainedRun } from '../trained-run.ts';
import type { Regressions } from './regressions.ts';
import type { ExpectedEye } from './test-eyes.ts';

export function modelCard(
  trained: TrainedRun,
  regressions: Regressions,
  eyes: readonly ExpectedEye[],
  withPictures: boolean,
): string {
  const sections = [
    ['', aboutLines(trained)],
    ['Use', useLines(trained, regressions)],
    ['Data', dataLines(trained)],
    ['Training', trainingLines(trained)],
    ['Figures', figureLines(trained)],
    ['Limits', limitLines(trained)],
    [`${eyes.length} test eyes`, eyesLines(trained, eyes, withPictures)],
  ] as const;
  return sections.map(([title, lines]) => `${title && `## ${title}\n\n`}${lines.join('\n')}\n`).join('\n');
}

function aboutLines({ run, input, networks }: TrainedRun): string[] {
  const count = networks.length === 1 ? 'One Caffe network with four heads' : 'Four Caffe networks';
  return [
    `# Diabetic retinopathy: the model of run ${run}`,
    '',
    '**Not a medical device.** Nobody has tested it on patients.',
    ...(input.source === 'synthetic'
      ? ['', '**Trained on made-up eyes**: it shows that the pipeline works and says nothing about real ones.']
      : []),
    '',
    `${count} (${input.training.network}) that say of a photograph of a retina how probable it is that its stage is above 0, 1, 2 and 3`,
    `(${STAGE_NAMES.map((name, stage) => `${stage} ${name}`).join(', ')}), and a regression that turns the four into a stage.`,
  ];
}

function useLines({ input }: TrainedRun, { own }: Regressions): string[] {
  return [
    '| file | what |',
    '|---|---|',
    '| `networks/*.prototxt`, `*.caffemodel` | networks without a database: pictures in, `probability-k` out, of which the second value is P(stage > k) |',
    '| `mean.yml`, `mean.binaryproto` | the mean picture for OpenCV (`FileStorage`) and for Caffe |',
    '| `recipe.json` | from a photograph to the pictures, from a picture to the input of a network |',
    '| `regression.json` | from the four probabilities to a stage: `alone`, and `withFellowEye` for both eyes of a patient |',
    '| `expected.json` | test eyes, and what the networks and the regression say of them |',
    '| `example.py` | ten lines of Python that print the probabilities of `expected.json` again: `pip install opencv-python-headless`, then `python3 example.py` |',
    '',
    `The stage: \`intercept\` + Σ \`weights\` · \`features\`, and how many of the four \`cuts\` that reaches. \`p0\` … \`p3\` are means over the ${input.images.versions.length} versions of the picture,`,
    `\`spread.p0\` … their standard deviations, \`fellow.p0\` … the other eye's \`p0\` …. The figures below are of \`${own}\`.`,
  ];
}

function dataLines({ input, metrics }: TrainedRun): string[] {
  const { folds, images } = metrics;
  const share = (value: number | null) => (value === null ? 'unknown' : `${(100 * value).toFixed(1)} %`);
  const unit =
    folds.unit === 'patient'
      ? 'Folds are dealt by patient: both eyes of a patient and all versions of a picture are in one fold.'
      : `Folds are dealt by **record**, as in 2015: ${share(folds.leak.eyes)} of the test records have another version of the same eye in the training fold. **All figures are too good.**`;
  return [
    `Source: \`${input.source}\`. ${images.seen} pictures, ${images.quarantined} set aside. ${unit}`,
    '',
    '| fold | patients | eyes | stage 0 | 1 | 2 | 3 | 4 |',
    '|---|---|---|---|---|---|---|---|',
    ...FOLDS.map(fold => {
      const { patients, eyes, stages } = folds[fold];
      return `| ${fold} | ${patients} | ${eyes} | ${stages.join(' | ')} |`;
    }),
    '',
    'The networks saw the training fold. Epoch, regression and cuts were chosen on the validation fold, figures are of the test fold.',
    ...(metrics.nearDuplicates && metrics.nearDuplicates.trainTest > 0
      ? [
          '',
          `${metrics.nearDuplicates.trainTest} pairs of nearly equal pictures lie in the training and the test fold.`,
        ]
      : []),
  ];
}

function trainingLines({ input, networks }: TrainedRun): string[] {
  const { epochs, batch, accumulate, baseRate, policy, classWeights } = input.training;
  return [
    `Up to ${epochs} epoch${epochs === 1 ? '' : 's'} as planned, ${batch * accumulate} records an iteration, learning rate ${baseRate} (${policy.type}), ${classWeights ? 'classes weighted by their inverse frequency' : 'classes not weighted'}.`,
    `Kept is the epoch with the highest AUC on the validation fold: ${networks.map(({ name, epoch }) => `${name} ${epoch}`).join(', ')}.`,
  ];
}

function figureLines({ metrics }: TrainedRun): string[] {
  const { regression, baseline, splits, intervals } = metrics;
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [
    `On the test fold; 95 % intervals by bootstrap over patients (${intervals.samples} samples). They cover sampling, not the seed of the training.`,
    '',
    '| | value | interval |',
    '|---|---|---|',
    row(['quadratic weighted kappa', dashed(regression.qwk), interval(regression.qwkInterval)]),
    row(['– without regression', dashed(baseline.qwk), interval(baseline.qwkInterval)]),
    row(['right stage', dashed(regression.accuracy), '']),
    row(['mean error, stages', dashed(regression.mae), '']),
    ...splits.map(({ name, auc, aucInterval }) => row([`AUC ${name}`, dashed(auc), interval(aucInterval)])),
    '',
    '| split | positives | sensitivity at 0.5 | specificity at 0.5 | Brier score |',
    '|---|---|---|---|---|',
    ...splits.map(split =>
      row([
        split.name,
        `${split.positives} of ${split.positives + split.negatives}`,
        ...[split.sensitivity, split.specificity, split.brier].map(dashed),
      ]),
    ),
  ];
}

function interval(range: Interval | null): string {
  return range === null ? '–' : range.map(value => value.toFixed(3)).join(' to ');
}

function limitLines({ input }: TrainedRun): string[] {
  return [
    '- Not for diagnosis, screening or any decision about a person.',
    input.source === 'synthetic'
      ? '- The eyes are drawn by a program. Real ones look otherwise.'
      : '- Graded once by one person each, without a second opinion: the networks have learned those grades, with their errors.',
    ...(input.images.size <= 256
      ? [
          `- Pictures of ${input.images.size}×${input.images.size} pixels: microaneurysms, the first sign of disease, are about a pixel wide there or less.`,
        ]
      : []),
    '- Other cameras, other countries, dilated or not: nothing is known. The probabilities are not calibrated.',
    '- A photograph that shows no retina gets a stage, too.',
    '- The pictures must be prepared as `recipe.json` says; another way of trimming or resizing gives other probabilities.',
  ];
}

function eyesLines({ run, input }: TrainedRun, eyes: readonly ExpectedEye[], withPictures: boolean): string[] {
  const where = withPictures
    ? ['Their prepared pictures are in `pictures/`.']
    : [
        `Their pictures are not included: those of \`${input.source}\` may not be ours to pass on. With the run's store at hand,`,
        `\`retinopathy export digits DIR --run ${run}\` writes them to \`DIR/images/\`: copy those that \`expected.json\` names into \`pictures/\`.`,
      ];
  return [
    ...where,
    '',
    '| eye | grader | P(>0) | P(>1) | P(>2) | P(>3) | value | stage |',
    '|---|---|---|---|---|---|---|---|',
    ...eyes.map(({ image, version, level, p, expected, predicted }) => {
      const name = version === null ? image : `${image}.${version}`;
      return `| ${name} | ${level} | ${p.map(value => value.toFixed(4)).join(' | ')} | ${expected.toFixed(3)} | ${predicted} |`;
    }),
  ];
}
