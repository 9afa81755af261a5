/** Error messages for an input: *Expected `training.epochs` to be an integer from 1, got `0`*. */
import type { z } from 'zod';
import { quote } from '../lib/quote.ts';
import { pipelineInputSchema } from './input.ts';

/** The parts of JSON Schema that the input's schema uses. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  const?: unknown;
  enum?: unknown[];
  minimum?: number;
  exclusiveMinimum?: number;
}

/** Returns a line for each error of an issue. */
export function explain(issue: z.core.$ZodIssue, input: unknown): string[] {
  const names = issue.path.map(String);
  const path = names.join('.');
  const schema = schemaAt(names, input);
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(fieldsOf(schema) ?? {});
    return issue.keys.map(key => {
      const near = nearest(key, known);
      const advice = near ? `did you mean \`${near}\`?` : `known are ${known.join(', ')}`;
      return `Expected a known field, got \`${path ? `${path}.` : ''}${quote(key)}\`: ${advice}`;
    });
  }
  return [`Expected \`${path}\` to be ${wanted(issue, schema)}, got \`${quote(valueAt(names, input))}\``];
}

/** Formats a value as a user would write it. */
export function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing');
}

function wanted(issue: z.core.$ZodIssue, schema: Schema): string {
  switch (issue.code) {
    case 'too_big':
      return `${noun(schema)} up to ${issue.maximum}`;
    case 'too_small':
      if (issue.origin === 'array') return `a list of at least ${issue.minimum}`;
      if (issue.origin === 'string') return 'text that is not empty';
      return describe(schema);
    case 'invalid_format':
      // A message of our own in the schema is clearer than its pattern.
      if (!issue.message.startsWith('Invalid')) return issue.message;
      return `of the form ${'pattern' in issue ? issue.pattern : issue.format}`;
    default:
      return describe(schema);
  }
}

function describe(schema: Schema): string {
  if ('const' in schema) return `\`${schema.const}\``;
  const one = schema.enum?.map(value => `\`${value}\``) ?? (schema.anyOf ?? schema.oneOf)?.map(describe);
  if (one) return [...new Set(one)].join(', ').replace(/, ([^,]+)$/, ' or $1');
  if (schema.minimum !== undefined) return `${noun(schema)} from ${schema.minimum}`;
  if (schema.exclusiveMinimum !== undefined) return `${noun(schema)} above ${schema.exclusiveMinimum}`;
  return noun(schema);
}

const NOUNS: Record<string, string> = {
  integer: 'an integer',
  number: 'a number',
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

function noun(schema: Schema): string {
  const number = schema.anyOf?.find(({ type }) => type === 'integer' || type === 'number');
  const type = (number ?? schema).type ?? '';
  return NOUNS[type] ?? type;
}

/** Returns the schema of the field at a path. Where `type` selects a member of a union, `input` decides which one. */
function schemaAt(path: string[], input: unknown): Schema {
  let schema = pipelineInputSchema.toJSONSchema({ io: 'input', unrepresentable: 'any' }) as Schema;
  for (let depth = 0; depth <= path.length; depth++) {
    const type = (valueAt(path.slice(0, depth), input) as { type?: unknown } | undefined | null)?.type;
    schema = schema.oneOf?.find(member => member.properties?.type?.const === type) ?? schema;
    const name = path[depth];
    if (name !== undefined) schema = below(schema, name);
  }
  return schema;
}

function below(schema: Schema, name: string): Schema {
  if (schema.items) return schema.items;
  const fields = fieldsOf(schema);
  if (fields) return fields[name] ?? {};
  return { anyOf: (schema.oneOf ?? []).flatMap(member => member.properties?.[name] ?? []) };
}

/** Returns the fields of an object, also of one that may be null. */
function fieldsOf({ properties, anyOf }: Schema): Schema['properties'] {
  return properties ?? anyOf?.find(member => member.properties)?.properties;
}

function valueAt(path: string[], input: unknown): unknown {
  return path.reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined | null)?.[name], input);
}

/** Returns the closest known name that is at most two letters away; undefined where there is none. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  return known
    .map(other => [distance(name.toLowerCase(), other.toLowerCase()), other] as const)
    .filter(([letters]) => letters <= 2)
    .sort(([a], [b]) => a - b)[0]?.[1];
}

/** Returns the Levenshtein distance. */
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
