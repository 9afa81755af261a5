/**
 * Forks: after the end of an epoch, a split trains with other settings. The training before it is unchanged. Its segments and
 * snapshots, whose keys derive from their inputs, are shared with the run that trained them first. Pure.
 */
import type { PartialPipelineInput, PipelineInput } from './input.ts';
import { differences, mergeInputs } from './merge.ts';

type Training = PipelineInput['training'];
export type Fork = NonNullable<Training['forks']>[number];

/** Returns the settings of the training of `heads` in an epoch, from 1; `Infinity` is the last. A fork of one head applies to all. */
export function trainingAt(training: Training, heads: readonly number[], epoch: number): Training {
  const { forks = [], ...base } = training;
  const begun = forks.filter(fork => heads.includes(fork.split) && epoch > fork.epoch);
  return Object.assign({}, base, ...begun.map(({ set }) => set));
}

/** Returns only the settings that affect the training of `heads`, without forks of other splits and names of forked runs. */
export function trainingOf(training: Training, heads: readonly number[]): Training {
  const { forks = [], ...base } = withoutForkedRuns(training);
  const own = forks.filter(({ split }) => heads.includes(split));
  return own.length === 0 ? base : { ...base, forks: own };
}

/** Returns the settings without the names of the forked runs, which another store does not have. */
export function withoutForkedRuns(training: Training): Training {
  if (training.forks === undefined) return training;
  return { ...training, forks: training.forks.map(({ run, ...fork }) => fork) };
}

/** Returns the run that an input is a fork of, as its last fork names it. */
export function forkedRun(input: PartialPipelineInput): string | undefined {
  const forks = input.training?.forks;
  return Array.isArray(forks) ? forks.at(-1)?.run : undefined;
}

/**
 * Merges what is given over the input of the forked run.
 * @throws Error when something is given that would change the training before the fork
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

/** Returns the fields that the snapshots before a fork depend on. */
function shared({ source, synthetic, archive, images, folds, training }: PartialPipelineInput): unknown {
  const { forks, ...settings } = training ?? {};
  return { source, synthetic, archive, images, folds, training: settings };
}

/** Returns the errors in the forks of an input, a line each. */
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
