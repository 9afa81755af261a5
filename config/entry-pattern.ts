/** The pattern `archive.entries` of the input. Matched in linear time, as both the pattern and the names are untrusted. */
import { RE2JS } from 're2js';
import { quote } from '../lib/quote.ts';

export interface EntryPattern {
  /** Text of the pattern, as in the input. */
  source: string;
  test(name: string): boolean;
}

const MAX_LENGTH = 500;
/** Instructions of the compiled pattern; the default one has 30. */
const MAX_PROGRAM = 1_000;
/** Characters. No image has a longer name. */
const MAX_NAME = 1_024;

/**
 * Compiles a pattern in RE2's syntax: without look-around, back-references and `\u` escapes.
 * @throws Error with the reason, in a few words
 */
export function compileEntryPattern(source: string): EntryPattern {
  if (source.length > MAX_LENGTH) throw new Error(`more than ${MAX_LENGTH} characters`);
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    const reason = quote((error as Error).message.replace(/^error parsing regexp: /, ''));
    throw new Error(`${reason} (RE2's syntax, without look-around and back-references)`);
  }
  if (compiled.programSize() > MAX_PROGRAM) throw new Error('repetitions that multiply to too large a pattern');
  return { source, test: name => name.length <= MAX_NAME && compiled.test(name) };
}
