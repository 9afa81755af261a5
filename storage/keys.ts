/** Content keys: the hash that names a stage's work. */
import { sha256 } from './checksum.ts';
import type { Json } from './manifest.ts';

/** JSON with every object's fields in order of their names, so that equal values give equal text. Fields of value undefined are left out. */
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
  /** Keys or checksums of what is read, by name. */
  inputs: Record<string, string>;
  parameters: Json;
}

/** Names a stage's work by all that shapes it: 16 hex digits. Equal work has equal keys, whichever run asks for it. */
export function contentKey({ stage, recipe, inputs, parameters }: ContentKeyOf): string {
  return sha256(canonicalJson({ stage, recipe, inputs, parameters })).slice(0, 16);
}
