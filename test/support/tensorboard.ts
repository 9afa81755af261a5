/** TensorBoard's own reader, in a Python environment of its own in the tool cache. */
import { fileURLToPath } from 'node:url';
import { runChild } from '../../lib/process/child-process.ts';
import { pythonWith } from './python-environment.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/tensorboard/${name}`, import.meta.url));

/** What a folder of event files holds: points `[seconds, step, value]` of each tag; a value that is no number is null. */
export async function readWithTensorBoard(folder: string): Promise<Record<string, [number, number, number | null][]>> {
  const python = await pythonWith({
    what: 'TensorBoard',
    name: 'tensorboard-2.20.0',
    requirements: fixture('requirements.txt'),
    modules: ['tensorboard.backend.event_processing.event_accumulator'],
  });
  const { code, tail } = await runChild([python, fixture('read.py'), folder]);
  if (code !== 0) throw new Error(`Expected TensorBoard to read ${folder}, got exit ${code}: ${tail.join('\n')}`);
  return JSON.parse(tail.at(-1)!.replaceAll('NaN', 'null'));
}
