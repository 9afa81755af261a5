/** Options of `retinopathy run`, and the input that results from them. */
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { filesOf, pathOf } from '../../config/files.ts';
import type { PartialPipelineInput, PipelineInput } from '../../config/input.ts';
import { mergeInputs, parseSetting } from '../../config/merge.ts';
import { resolveInput } from '../../config/resolve.ts';
import { STAGES } from '../../config/stages.ts';
import { parseJson, quote } from '../../lib/quote.ts';
import { asUserError, UserError } from '../../lib/user-error.ts';

export interface RunOptions {
  source?: string;
  out: string;
  inputFile?: string;
  store?: string;
  until?: string;
  set: string[];
  keep?: boolean;
  fresh?: boolean;
  /** Number of kills of each process; `true`: the default number. */
  chaos?: number | true;
  port?: number;
  uiPort?: number;
}

/** Returns the checked input: the given values over the defaults. @throws UserError with a line for each problem */
export async function inputOf(options: RunOptions): Promise<PipelineInput> {
  const given = await givenInput(options);
  return asUserError(() => resolveInput(given));
}

/**
 * Merges `--source`, `--until` and each `--set` over `--input-file`.
 * @throws UserError with a line for each problem
 */
export async function givenInput(options: RunOptions): Promise<PartialPipelineInput> {
  let input: PartialPipelineInput = options.inputFile === undefined ? {} : await readInput(options.inputFile);
  if (options.source !== undefined) input = mergeInputs(input, { source: await sourceOf(options.source) });
  if (options.until !== undefined) {
    if (!(STAGES as readonly string[]).includes(options.until)) {
      throw new UserError(`Expected --until to be one of ${STAGES.join(', ')}, got \`${options.until}\``);
    }
    input = mergeInputs(input, { until: options.until as (typeof STAGES)[number] });
  }
  return asUserError(() => options.set.map(parseSetting).reduce(mergeInputs, input));
}

/** Returns `synthetic`, `kaggle` and URLs unchanged, and anything else as the `file:` URL of a folder. */
export async function sourceOf(source: string): Promise<string> {
  if (source === 'synthetic' || source === 'kaggle' || /^https?:\/\//.test(source)) return source;
  const folder = resolve(source.replace(/^file:/, ''));
  const is = await stat(folder).catch(() => undefined);
  if (!is?.isDirectory()) {
    throw new UserError(
      `Expected --source to be synthetic, kaggle, a URL or a folder that holds the parts, got ${quote(source, 200)}: there is no such folder`,
    );
  }
  return `file:${folder}`;
}

async function readInput(file: string): Promise<PartialPipelineInput> {
  const text = await readFile(file, 'utf8').catch(error => {
    throw new UserError(`Expected --input-file ${file} to be readable, got ${error.code}`);
  });
  return asUserError(() => parseJson(text, `--input-file ${file}`) as PartialPipelineInput);
}

/** Returns the files that an input names. Adds the targets of links in the folder of the parts, which often are on another disk. */
export async function filesNamed(input: Pick<PipelineInput, 'source' | 'training'>): Promise<string[]> {
  const folder = pathOf(input.source);
  const entries = folder === undefined ? [] : await readdir(folder, { withFileTypes: true }).catch(() => []);
  const links = entries.filter(entry => entry.isSymbolicLink());
  const targets = await Promise.all(links.map(({ name }) => realpath(join(folder!, name)).catch(() => [])));
  return [...filesOf(input), ...targets.flat()];
}
