/** Merges inputs, and lists the differences between two. */
import { isObject, parseJson } from '../lib/json.ts';
import { quote } from '../lib/quote.ts';
import type { PartialPipelineInput } from './input.ts';

type Fields = Record<string, unknown>;

/** Replaces fields of `under` by those of `over`, object by object. Lists and rate policies are replaced whole. */
export function mergeInputs(under: PartialPipelineInput, over: PartialPipelineInput): PartialPipelineInput {
  return merge(under as Fields, over as Fields) as PartialPipelineInput;
}

function merge(under: Fields, over: Fields): Fields {
  const merged = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const before = merged[name];
    // A policy's fields depend on its type, so those of another type must not stay.
    merged[name] = isObject(before) && isObject(value) && name !== 'policy' ? merge(before, value) : value;
  }
  return merged;
}

/** Returns the differences between two JSON values, such as `training.epochs 8 → 10`. */
export function differences(before: unknown, after: unknown, path = ''): string[] {
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap(name => differences(before[name], after[name], path ? `${path}.${name}` : name));
  }
  const [b, a] = [JSON.stringify(before), JSON.stringify(after)];
  return b === a ? [] : [`${path} ${b ?? 'absent'} → ${a ?? 'absent'}`];
}

/**
 * Parses `training.epochs=4` into `{ training: { epochs: 4 } }`. The value is JSON, or else plain text.
 * @throws Error *Expected --set to be PATH=VALUE, got `…`*
 */
export function parseSetting(setting: string): PartialPipelineInput {
  const match = /^([A-Za-z][\w]*(?:\.[A-Za-z][\w]*)*)=(.*)$/s.exec(setting);
  if (!match) throw new Error(`Expected --set to be PATH=VALUE (training.epochs=4), got \`${quote(setting)}\``);
  const [, path = '', text = ''] = match;
  const json = parseJson(text);
  const value = path
    .split('.')
    .reduceRight<unknown>((inner, name) => ({ [name]: inner }), json === undefined ? text : json);
  return value as PartialPipelineInput;
}
