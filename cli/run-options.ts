/** The options of `retinopathy run`, and the input and store they come to. */
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { PartialPipelineInput, PipelineInput } from '../config/input.ts';
import { mergeInputs } from '../config/merge.ts';
import { resolveInput } from '../config/resolve.ts';
import { parseSetting } from '../config/set.ts';
import { STAGES } from '../config/stages.ts';
import { UserError } from './user-error.ts';

export interface RunOptions {
  source?: string;
  out: string;
  inputFile?: string;
  store?: string;
  until?: string;
  set: string[];
  keep?: boolean;
  fresh?: boolean;
  /** How often each process is killed on the way; `true`: as often as usual. */
  chaos?: number | true;
  port?: number;
  uiPort?: number;
}

/** The checked input: what is given, over the defaults. @throws UserError with one line a problem */
export async function inputOf(options: RunOptions): Promise<PipelineInput> {
  return checked(await givenInput(options));
}

/** With the defaults. @throws UserError with one line a problem */
export function checked(input: PartialPipelineInput): PipelineInput {
  try {
    return resolveInput(input);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/**
 * `--input-file`, then `--source`, `--until` and each `--set` over it.
 * @throws UserError with one line a problem
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
  try {
    return options.set.map(parseSetting).reduce(mergeInputs, input);
  } catch (error) {
    throw new UserError((error as Error).message);
  }
}

/** `synthetic`, `kaggle` and URLs as they are; anything else is a folder. */
export async function sourceOf(source: string): Promise<string> {
  if (source === 'synthetic' || source === 'kaggle' || /^https?:\/\//.test(source)) return source;
  const folder = resolve(source.replace(/^file:/, ''));
  const is = await stat(folder).catch(() => undefined);
  if (!is?.isDirectory()) {
    throw new UserError(
      `Expected --source to be synthetic, kaggle, a URL or a folder that holds the parts, got ${source}: there is no such folder`,
    );
  }
  return `file:${folder}`;
}

async function readInput(file: string): Promise<PartialPipelineInput> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new UserError(`Expected --input-file ${file} to be readable, got ${(error as NodeJS.ErrnoException).code}`);
  }
  try {
    return JSON.parse(text) as PartialPipelineInput;
  } catch (error) {
    throw new UserError(`Expected --input-file ${file} to be JSON, got: ${(error as Error).message}`);
  }
}
