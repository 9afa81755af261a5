/** Completes and checks an input that a caller gives. */
import { isAbsolute } from 'node:path';
import { quote } from '../lib/quote.ts';
import demo from './demo.json' with { type: 'json' };
import { compileEntryPattern } from './entry-pattern.ts';
import { checkForks } from './forks.ts';
import { explain } from './format-errors.ts';
import { type PartialPipelineInput, type PipelineInput, pipelineInputSchema } from './input.ts';
import kaggle from './kaggle.json' with { type: 'json' };
import { mergeInputs } from './merge.ts';

/** All errors of an input, a line each. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** Maximum number of lines in an error. */
const MAX_PROBLEMS = 20;

/** Presets by source. The given input overrides them. */
const READY: Record<string, PartialPipelineInput> = {
  synthetic: demo as PartialPipelineInput,
  kaggle: kaggle as PartialPipelineInput,
};

/**
 * Fills in the preset of the source and the defaults, and checks the whole input.
 * @throws InputError *Expected `training.epochs` to be an integer from 1, got `0`*
 */
export function resolveInput(given: unknown): PipelineInput {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InputError(`Expected the input to be an object, got \`${quote(given)}\``);
  }
  const partial = given as PartialPipelineInput;
  const source = typeof partial.source === 'string' ? partial.source : 'synthetic';
  const merged = mergeInputs(READY[source] ?? {}, partial);
  const parsed = pipelineInputSchema.safeParse(merged);
  if (!parsed.success) {
    const lines = parsed.error.issues.slice(0, MAX_PROBLEMS).flatMap(issue => explain(issue, merged));
    throw new InputError(lines.slice(0, MAX_PROBLEMS).join('\n'));
  }
  const problems = crossCheck(parsed.data);
  if (problems.length > 0) throw new InputError(problems.join('\n'));
  return parsed.data;
}

/** Returns the errors that no check of a single field can find. */
function crossCheck({ source, archive, images, folds, training }: PipelineInput): string[] {
  const problems: string[] = [];
  const held = folds.validation + folds.test;
  if (held >= 0.9) problems.push(`Expected \`folds.validation\` + \`folds.test\` to be below 0.9, got \`${held}\``);
  if (new Set(images.versions).size < images.versions.length) {
    problems.push(`Expected \`images.versions\` to name each version once, got \`${quote(images.versions)}\``);
  }
  for (const [path, url] of Object.entries({
    source,
    'training.network': training.network,
    'training.weights': training.weights,
  })) {
    if (url?.startsWith('file:') && !isAbsolute(url.slice('file:'.length))) {
      problems.push(
        `Expected \`${path}\` to be an absolute path after \`file:\`, got \`${quote(url)}\`: workers have folders of their own`,
      );
    }
  }
  return [...problems, ...checkForks(training), ...checkEntries(archive.entries)];
}

function checkEntries(pattern: string): string[] {
  const expected = (what: string) => `Expected \`archive.entries\` to be ${what}, got \`${quote(pattern)}\``;
  try {
    compileEntryPattern(pattern);
  } catch (error) {
    return [`${expected('a regular expression')}: ${(error as Error).message}`];
  }
  return /\\d|\[0-9\]/.test(pattern) ? [] : [`${expected('a pattern with digits (`\\d+`)')}: they name the patient`];
}
