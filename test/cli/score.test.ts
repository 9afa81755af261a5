/** `retinopathy score`: a made-up archive without grades becomes a submission; what cannot be scored is said in one line. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { putJson } from '../../storage/documents.ts';
import { makePatients } from '../../synthetic/eyes/patients.ts';
import { retinopathy } from '../support/command.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { TINY, TINY_OPTIONS } from '../support/tiny.ts';

let services: TestServices;
let folder: string;
beforeAll(async () => {
  services = await testServices();
  folder = await mkdtemp(join(tmpdir(), 'score-'));
});
afterAll(async () => {
  await services.close();
  await rm(folder, { recursive: true, force: true });
});

async function command(...args: string[]): Promise<{ code: number | null; said: string }> {
  const started = retinopathy(args);
  const { code } = await started.exited;
  return { code, said: started.output().trim() };
}

describe('retinopathy score', () => {
  test('wants a finished run', async () => {
    const out = ['--out', join(folder, 'nowhere')];
    const none = await command('score', ...out);
    expect(none).toEqual({ code: 1, said: expect.stringMatching(/^retinopathy: Expected --out .* got none: name it/) });
    await putJson(services.store, 'runs/young/run.json', { run: 'young' });
    const young = await command('score', ...out, '--run', 'young', '--store', services.store.url);
    expect(young).toEqual({
      code: 1,
      said: expect.stringMatching(/^retinopathy: Expected run young in .* to be finished, got one that is not/),
    });
  });

  // A whole run comes first.
  test.runIf(process.env.RETINOPATHY_LONG)(
    'draws other made-up eyes, and hands out a line for each; a second time nothing is done again',
    async () => {
      const out = join(folder, 'out');
      const run = await command('run', '--no-keep', '--out', out, ...TINY_OPTIONS);
      expect(run.code, run.said).toBe(0);
      const scored = await command('score', '--out', out);
      expect(scored.code, scored.said).toBe(0);
      expect(scored.said).toContain('40 pictures scored');
      const file = join(out, 'test', 'submission.csv');
      const submission = await readFile(file, 'utf8');
      const unseen = makePatients(TINY.synthetic.seed, 20, 'even', TINY.synthetic.patients);
      const lines = submission.trimEnd().split('\n');
      expect(lines.map(line => line.replace(/,[0-4]$/, ''))).toEqual([
        'image,level',
        ...unseen.flatMap(({ eyes }) => eyes.map(({ name }) => name)),
      ]);
      const again = await command('score', '--out', out);
      expect(again.said.match(/made before/g)).toHaveLength(3);
      expect(await readFile(file, 'utf8')).toBe(submission);
    },
    600_000,
  );
});
