/** From what somebody gave to the whole input, or to what is wrong with it. */
import { isAbsolute } from 'node:path';
import type { z } from 'zod';
import demo from './demo.json' with { type: 'json' };
import { type PartialPipelineInput, type PipelineInput, pipelineInputSchema } from './input.ts';
import kaggle from './kaggle.json' with { type: 'json' };
import { mergeInputs } from './merge.ts';

/** Everything that is wrong with an input: a line each, the first one first. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** Ready inputs by source, which what is given goes over. */
const READY: Record<string, PartialPipelineInput> = {
  synthetic: demo as PartialPipelineInput,
  kaggle: kaggle as PartialPipelineInput,
};

/**
 * Fills in the ready input of the source and the defaults, and checks all of it.
 * @throws InputError *Expected `training.epochs` to be an integer from 1, got `0`*
 */
export function resolveInput(given: unknown): PipelineInput {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw new InputError(`Expected the input to be an object, got \`${show(given)}\``);
  }
  const partial = given as PartialPipelineInput;
  const source = typeof partial.source === 'string' ? partial.source : 'synthetic';
  const merged = mergeInputs(READY[source] ?? {}, partial);
  const parsed = pipelineInputSchema.safeParse(merged);
  if (!parsed.success) {
    throw new InputError(parsed.error.issues.flatMap(issue => explain(issue, merged)).join('\n'));
  }
  const problems = crossCheck(parsed.data);
  if (problems.length > 0) throw new InputError(problems.join('\n'));
  return parsed.data;
}

/** What no single field's check can see. */
function crossCheck({ source, archive, folds, training }: PipelineInput): string[] {
  const problems: string[] = [];
  const held = folds.validation + folds.test;
  if (held > 0.9) problems.push(`Expected \`folds.validation\` + \`folds.test\` to be at most 0.9, got \`${held}\``);
  for (const [path, url] of Object.entries({
    source,
    'training.network': training.network,
    'training.weights': training.weights,
  })) {
    if (url?.startsWith('file:') && !isAbsolute(url.slice('file:'.length))) {
      problems.push(
        `Expected \`${path}\` to be an absolute path after \`file:\`, got \`${url}\`: workers have folders of their own`,
      );
    }
  }
  try {
    new RegExp(archive.entries);
  } catch (error) {
    problems.push(
      `Expected \`archive.entries\` to be a regular expression, got \`${archive.entries}\`: ${(error as Error).message}`,
    );
  }
  return problems;
}

function explain(issue: z.core.$ZodIssue, input: unknown): string[] {
  const path = issue.path.join('.');
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(knownFields(issue.path.map(String)));
    return issue.keys.map(key => {
      const near = nearest(key, known);
      const advice = near ? `did you mean \`${near}\`?` : `known are ${known.join(', ')}`;
      return `Expected a known field, got \`${path ? `${path}.` : ''}${key}\`: ${advice}`;
    });
  }
  const got = issue.path.reduce<unknown>(
    (value, name) => (value as Record<PropertyKey, unknown> | undefined)?.[name],
    input,
  );
  return [`Expected \`${path}\` to be ${wanted(issue)}, got \`${show(got)}\``];
}

function wanted(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return (
        {
          int: 'an integer',
          string: 'text',
          number: 'a number',
          boolean: 'true or false',
          object: 'an object',
          array: 'a list',
        }[issue.expected as string] ?? issue.expected
      );
    case 'too_small':
      return issue.origin === 'array'
        ? `a list of at least ${issue.minimum}`
        : issue.origin === 'string'
          ? `text of at least ${issue.minimum} character`
          : `${kind(issue)} ${issue.inclusive === false ? 'above' : 'from'} ${issue.minimum}`;
    case 'too_big':
      return `${kind(issue)} up to ${issue.maximum}`;
    case 'invalid_value':
      return issue.values.map(value => `\`${String(value)}\``).join(', ');
    case 'invalid_format':
      return issue.message.startsWith('Invalid')
        ? `of the form ${'pattern' in issue ? issue.pattern : issue.format}`
        : issue.message;
    case 'invalid_union':
      return 'one of the forms that docs/usage.md names';
    default:
      return issue.message;
  }
}

/** Zod says `int` or `number` of the field only where its format failed: the schema says it for ranges. */
function kind(issue: z.core.$ZodIssue & { path: PropertyKey[] }): string {
  const field = knownFields(issue.path.slice(0, -1).map(String))[String(issue.path.at(-1))];
  return JSON.stringify(field ?? {}).includes('"integer"') ? 'an integer' : 'a number';
}

/** JSON schema of the fields at a path. */
function knownFields(path: string[]): Record<string, unknown> {
  type Schema = { properties?: Record<string, Schema> };
  let schema = pipelineInputSchema.toJSONSchema({ io: 'input', unrepresentable: 'any' }) as Schema;
  for (const name of path) schema = schema.properties?.[name] ?? {};
  return schema.properties ?? {};
}

/** The known name that is at most two letters away. */
function nearest(name: string, known: readonly string[]): string | undefined {
  return known
    .map(other => [distance(name.toLowerCase(), other.toLowerCase()), other] as const)
    .filter(([letters]) => letters <= 2)
    .sort(([a], [b]) => a - b)[0]?.[1];
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
}
