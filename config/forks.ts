/**
 * A fork: from the end of an epoch on, a split trains with other settings. What comes before is what it was, so that its segments and
 * snapshots, named by what went into them, are shared with whoever trained them first. Pure.
 */
import { differences } from './differences.ts';
import type { PartialPipelineInput, PipelineInput } from './input.ts';
import { mergeInputs } from './merge.ts';

type Training = PipelineInput['training'];
export type Fork = NonNullable<Training['forks']>[number];

/** The settings that the training of `heads` has in an epoch, from 1; the last ones for `Infinity`. A fork of any head is one of all. */
export function trainingAt(training: Training, heads: readonly number[], epoch: number): Training {
  const { forks = [], ...base } = training;
  const begun = forks.filter(fork => heads.includes(fork.split) && epoch > fork.epoch);
  return Object.assign({}, base, ...begun.map(({ set }) => set));
}

/** What shapes the training of `heads` and nothing else: forks of other splits, and whose fork it is, are left out. */
export function trainingOf(training: Training, heads: readonly number[]): Training {
  const { forks = [], ...base } = withoutForkedRuns(training);
  const own = forks.filter(({ split }) => heads.includes(split));
  return own.length === 0 ? base : { ...base, forks: own };
}

/** The same without the runs that the forks come from: whoever does it again elsewhere has none of them. */
export function withoutForkedRuns(training: Training): Training {
  if (training.forks === undefined) return training;
  return { ...training, forks: training.forks.map(({ run, ...fork }) => fork) };
}

/** The run that an input is a fork of: the one its last fork names. */
export function forkedRun(input: PartialPipelineInput): string | undefined {
  const forks = input.training?.forks;
  return Array.isArray(forks) ? forks.at(-1)?.run : undefined;
}

/**
 * The whole input of a fork: that of the run it comes from, under what is given.
 * @throws Error where something is given that would change what comes before the fork
 */
export function forkedInput(from: PipelineInput, given: PartialPipelineInput): PartialPipelineInput {
  const before = from.training.forks ?? [];
  const asked = given.training?.forks ?? [];
  const isWhole = JSON.stringify(asked.slice(0, -1)) === JSON.stringify(before);
  const merged = mergeInputs(from, given);
  const changed = differences(shared(from), shared(merged));
  if (changed.length > 0) {
    throw new Error(
      `Expected a fork to leave the input of ${forkedRun(given)} as it is up to its epoch, got ${changed.join(', ')}: \`set\` of the fork has what changes from there on`,
    );
  }
  return mergeInputs(merged, { training: { forks: isWhole ? asked : [...before, ...asked] } });
}

/** What the snapshots before a fork hang on. */
function shared({ source, synthetic, archive, images, folds, training }: PartialPipelineInput): unknown {
  const { forks, ...settings } = training ?? {};
  return { source, synthetic, archive, images, folds, training: settings };
}

/** What is wrong with the forks of an input: a line each. */
export function checkForks(training: Training): string[] {
  return (training.forks ?? []).flatMap(({ split, epoch, set }, n, forks) => {
    const at = `training.forks.${n}`;
    const { forks: _, ...base } = training;
    const earlier = forks.slice(0, n).filter(fork => fork.split === split || training.layout === 'four-heads');
    const before: Training = Object.assign({}, base, ...earlier.map(fork => fork.set));
    const { epochs } = { ...before, ...set };
    const latest = earlier.at(-1)?.epoch ?? 0;
    return [
      ...(epoch >= epochs ? [`Expected \`${at}.epoch\` to be below its ${epochs} epochs, got \`${epoch}\``] : []),
      ...(epoch < latest
        ? [`Expected \`${at}.epoch\` to be from ${latest}, where the fork before is, got \`${epoch}\``]
        : []),
      ...(differences({ ...before, ...set }, before).length === 0
        ? [`Expected \`${at}.set\` to change something, got \`${JSON.stringify(set)}\``]
        : []),
    ];
  });
}
