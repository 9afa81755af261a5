/** `--set PATH=VALUE`: one field of the input. */
import type { PartialPipelineInput } from './input.ts';

/**
 * `training.epochs=4` → `{ training: { epochs: 4 } }`. The value is JSON; what is no JSON is text.
 * @throws Error *Expected --set to be PATH=VALUE, got `…`*
 */
export function parseSetting(setting: string): PartialPipelineInput {
  const match = /^([A-Za-z][\w]*(?:\.[A-Za-z][\w]*)*)=(.*)$/s.exec(setting);
  if (!match) throw new Error(`Expected --set to be PATH=VALUE (training.epochs=4), got \`${setting}\``);
  const [, path = '', text = ''] = match;
  const value = path.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), parseValue(text));
  return value as PartialPipelineInput;
}

function parseValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
