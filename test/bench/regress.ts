/**
 * The regression at the competition's size: how long it takes, and whether its intervals hold the truth as often as they say.
 * Runs on simulated eyes whose networks have a known quality.
 */
import { Command, InvalidArgumentError } from 'commander';
import { judge } from '../../activities/regression/evaluate.ts';
import { fitStages, settingsOf } from '../../activities/regression/fit.ts';
import { findNearDuplicates, type HashedPicture } from '../../activities/regression/near-duplicates.ts';
import { suspectLabels } from '../../activities/regression/suspect-labels.ts';
import { bestCuts, NATURAL_CUTS } from '../../activities/regression/thresholds.ts';
import { pipelineInputSchema } from '../../config/input.ts';
import { table, whole } from '../../lib/format.ts';
import { sha256 } from '../../storage/checksum.ts';
import { coverageTrials, holdsTruth, type Trial, wholeSet } from './regress/coverage.ts';
import { COMPETITION, EASY } from './regress/population.ts';

/** Of the competition: two eyes each. */
const PATIENTS = 17_563;
/** Sampling leaves its kappa a tenth of the uncertainty of a test fold's. */
const POPULATION = 150_000;
const BARS = { cuts: 1, regression: 30, covered: 0.9, noise: 0.005 };

/** @param args options of `npm run bench regress` */
export async function bench(args: readonly string[]): Promise<void> {
  const count = (value: string) => {
    const n = Number(value);
    if (!Number.isInteger(n) || n < 0) throw new InvalidArgumentError('Expected an integer from 0.');
    return n;
  };
  const { seeds, patients } = new Command('npm run bench regress --')
    .description('the time of the regression at full size, and how often its intervals hold the truth')
    .option('--seeds <n>', 'simulated sets (a few seconds each; 0 measures the time only)', count, 100)
    .option('--patients <n>', 'patients of a set, two eyes each', count, PATIENTS)
    .allowExcessArguments(false)
    .exitOverride()
    .parse(args, { from: 'user' })
    .opts<{ seeds: number; patients: number }>();
  await printTimes(patients);
  if (seeds === 0) return;
  for (const [what, kind] of [
    ["the competition's stages, networks too sure", COMPETITION],
    ['all stages alike, networks about right', EASY],
  ] as const) {
    const trials: Trial[] = [];
    for await (const trial of coverageTrials(kind, seeds, patients, POPULATION)) {
      trials.push(trial);
      if (trials.length % 10 === 0) process.stderr.write(`${trials.length} of ${seeds} sets\n`);
    }
    printTrials(what, trials);
  }
}

/** All eyes are held out here: the regression has the most to do that it can have. */
async function printTimes(patients: number): Promise<void> {
  const { regression } = pipelineInputSchema.parse({});
  const eyes = wholeSet(patients);
  const pictures = eyes.map(
    ({ image, patient, level, fold }): HashedPicture => ({ image, patient, level, folds: [fold], hash: sha256(image) }),
  );
  const rows: string[][] = [];
  const timed = async <Result>(what: string, work: () => Result | Promise<Result>) => {
    const start = performance.now();
    const result = await work();
    const seconds = (performance.now() - start) / 1000;
    rows.push([what, `${seconds.toFixed(2)} s`]);
    return { result, seconds };
  };
  const fit = await timed('fit, strength by cross-validation', () => fitStages(eyes, settingsOf(regression), 1));
  const { model, predictions } = fit.result;
  const cuts = await timed('the four cuts alone, on all', () =>
    bestCuts(
      predictions.map(eye => eye.level),
      predictions.map(eye => eye.expected),
    ),
  );
  const judged = await timed('judge, 17 refits and bootstrap of 1,000', () => judge(predictions, model, regression, 1));
  const suspects = await timed('suspect labels', () => suspectLabels(predictions));
  const radar = await timed('near-identical pictures', () => findNearDuplicates(pictures, 16));
  const all = fit.seconds + judged.seconds + suspects.seconds + radar.seconds;
  rows.push(['the whole regression', `${all.toFixed(2)} s`]);
  const moved = cuts.result.map((cut, k) => (cut - NATURAL_CUTS[k]!).toFixed(2)).join(', ');
  const lines = [
    ...table([[`${whole(eyes.length)} held-out eyes`, 'time'], ...rows]),
    '',
    `kappa ${judged.result.regression.qwk?.toFixed(4)}, cuts moved by ${moved}`,
    '',
    ...table([
      ['bar', 'wanted', 'got', ''],
      bar('the four cuts', `< ${BARS.cuts} s`, `${cuts.seconds.toFixed(2)} s`, cuts.seconds < BARS.cuts),
      bar('the whole regression', `< ${BARS.regression} s`, `${all.toFixed(2)} s`, all < BARS.regression),
    ]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function printTrials(what: string, trials: readonly Trial[]): void {
  const covered = trials.filter(holdsTruth).length;
  const worst = (of: (trial: Trial) => number) => Math.min(...trials.map(of));
  const [overArgmax, overBaseline] = [worst(t => t.overArgmax), worst(t => t.overBaseline)];
  const width = trials.reduce((sum, { interval: [low, high] }) => sum + high - low, 0) / trials.length;
  const lines = [
    '',
    `${trials.length} sets (${what}): true kappa ${worst(t => t.truth).toFixed(4)} or more, intervals ${width.toFixed(4)} wide on average`,
    '',
    ...table([
      ['bar', 'wanted', 'got', ''],
      bar(
        'intervals that hold the truth',
        `≥ ${BARS.covered * trials.length} of ${trials.length}`,
        `${covered}`,
        covered >= BARS.covered * trials.length,
      ),
      bar('kappa over argmax, worst set', '> 0', overArgmax.toFixed(4), overArgmax > 0),
      bar('kappa over ΣP(y>k), worst set', `≥ −${BARS.noise}`, overBaseline.toFixed(4), overBaseline >= -BARS.noise),
    ]),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function bar(what: string, wanted: string, got: string, met: boolean): string[] {
  return [what, wanted, got, met ? 'met' : 'missed'];
}
