/** The command that makes a run again. */
import { withoutForkedRuns } from '../../../config/forks.ts';
import type { PipelineInput } from '../../../config/input.ts';
import { resolveInput } from '../../../config/resolve.ts';

/** With more settings than this a file is easier to read, and to type. */
const MOST_SETTINGS = 8;

/**
 * `npm start` with every field in which the input differs from the ready input of its source, for a POSIX shell.
 * @returns null where that would be too many: then the input is better saved as a file
 */
export function commandOf(input: PipelineInput): string | null {
  const { source, ...fields } = { ...input, training: withoutForkedRuns(input.training) };
  const { source: _, ...ready } = resolveInput({ source });
  const settings = settingsOf(ready, fields, '');
  if (settings.length > MOST_SETTINGS) return null;
  const options = source === 'synthetic' ? [] : [`--source ${quoted(source.replace(/^file:/, ''))}`];
  options.push(...settings.map(setting => `--set ${quoted(setting)}`));
  return options.length === 0 ? 'npm start' : `npm start -- ${options.join(' ')}`;
}

/** `training.epochs=4` for each field that differs; lists and rate policies are set whole. */
function settingsOf(ready: unknown, wanted: unknown, path: string): string[] {
  if (JSON.stringify(ready) === JSON.stringify(wanted)) return [];
  if (isObject(ready) && isObject(wanted) && path !== 'training.policy') {
    return Object.keys(wanted).flatMap(name =>
      settingsOf(ready[name], wanted[name], path === '' ? name : `${path}.${name}`),
    );
  }
  return [`${path}=${typeof wanted === 'string' && !readsAsJson(wanted) ? wanted : JSON.stringify(wanted)}`];
}

/** Text that would be taken for a number, say, has to be given in quotation marks. */
function readsAsJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
