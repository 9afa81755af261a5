/** scikit-learn at its pinned version, in a Python environment of its own in the tool cache. */
import { fileURLToPath } from 'node:url';
import { runChild } from '../../lib/process/child-process.ts';
import { pythonWith } from './python-environment.ts';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/scikit-learn/${name}`, import.meta.url));

/** The text of metrics.json, as test/fixtures/scikit-learn/make.py prints it. */
export async function scikitLearnFixture(report: (line: string) => void = () => {}): Promise<string> {
  const python = await pythonWith(
    {
      what: 'scikit-learn',
      name: 'scikit-learn-1.9.1',
      requirements: fixture('requirements.txt'),
      modules: ['sklearn.metrics'],
    },
    { report },
  );
  const lines: string[] = [];
  const { code, tail } = await runChild([python, fixture('make.py')], { onLine: line => lines.push(line) });
  if (code !== 0) throw new Error(`Expected make.py to end well, got exit ${code}: ${tail.join('\n')}`);
  return `${lines.join('\n')}\n`;
}
