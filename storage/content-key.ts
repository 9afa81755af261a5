/** Content keys: the hash that identifies a stage's work. */
import { sha256 } from './checksum.ts';
import type { Json } from './manifest.ts';

/** Formats JSON with the fields of objects sorted by name, so that equal values give equal text. Omits fields that are undefined. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.keys(value)
      .filter(name => value[name] !== undefined)
      .sort()
      .map(name => `${JSON.stringify(name)}:${canonicalJson(value[name] as Json)}`);
    return `{${fields.join(',')}}`;
  }
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new TypeError(`Expected JSON, got ${value}`);
  }
  return JSON.stringify(value);
}

export interface ContentKeyOf {
  stage: string;
  recipe: number;
  /** Keys or checksums of the inputs, by name. */
  inputs: Record<string, string>;
  parameters: Json;
}

/** Returns the key of a stage's work: 16 hex digits that hash all that determines it. Equal work of any run has equal keys. */
export function contentKey({ stage, recipe, inputs, parameters }: ContentKeyOf): string {
  return sha256(canonicalJson({ stage, recipe, inputs, parameters })).slice(0, 16);
}
