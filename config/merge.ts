/** One part of an input over another. */
import type { PartialPipelineInput } from './input.ts';

type Fields = Record<string, unknown>;

/** `over`'s fields replace `under`'s, object by object; lists and rate policies are replaced whole. */
export function mergeInputs(under: PartialPipelineInput, over: PartialPipelineInput): PartialPipelineInput {
  return merge(under as Fields, over as Fields) as PartialPipelineInput;
}

function merge(under: Fields, over: Fields): Fields {
  const merged = { ...under };
  for (const [name, value] of Object.entries(over)) {
    const before = merged[name];
    // A policy's fields depend on its type: those of another one must not stay.
    merged[name] = isFields(before) && isFields(value) && name !== 'policy' ? merge(before, value) : value;
  }
  return merged;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
