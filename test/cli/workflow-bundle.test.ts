/** What decides whether a run may go on is all that its workflows run, and nothing else. */
import { appendFile, cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { hashOfBundle, makeWorkflowBundle } from '../../cli/local/workflow-bundle.ts';
import { bundleWorkflows } from '../../workers/workflow-bundle.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundle-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A copy of what workflows are made of. */
async function copy(name: string): Promise<string> {
  const root = join(folder, name);
  await mkdir(root);
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'));
  for (const part of ['workflows', 'config', 'storage', 'lib', 'package.json'])
    await cp(join(ROOT, part), join(root, part), { recursive: true });
  return root;
}

test('the hash is that of all that workflows run: config, storage and lib count, wherever the project lies', async () => {
  const [one, other] = [await copy('one'), await copy('other')];
  const before = hashOfBundle(await bundleWorkflows(one));
  expect(hashOfBundle(await bundleWorkflows(other))).toBe(before);
  const seen = new Set([before]);
  for (const file of ['config/training.ts', 'storage/key-syntax.ts', 'lib/quote.ts', 'workflows/map-concurrently.ts']) {
    await appendFile(join(other, file), '\nexport const changed = true;\n');
    seen.add(hashOfBundle(await bundleWorkflows(other)));
  }
  expect(seen.size).toBe(5);
}, 120_000);

test('code that cannot be bundled is one line', async () => {
  const root = await copy('broken');
  await appendFile(join(root, 'workflows/map-concurrently.ts'), "\nimport './nothing.ts';\n");
  const failed = await bundleWorkflows(root).catch(error => error);
  expect(failed.message).toMatch(
    /^Expected the workflows in .*broken to be bundled, got: .*Can't resolve '\.\/nothing\.ts'.*$/,
  );
}, 60_000);

test('the bundle of a start is made in its folder; one that was made ahead is taken as it is', async () => {
  const made = await makeWorkflowBundle(folder, process.env);
  expect(made.file).toBe(join(folder, 'workflows.js'));
  const ahead = { ...process.env, RETINOPATHY_WORKFLOW_BUNDLE: made.file };
  expect(await makeWorkflowBundle(join(folder, 'elsewhere'), ahead)).toEqual(made);
  await writeFile(made.file, 'something else');
  expect((await makeWorkflowBundle(folder, ahead)).hash).not.toBe(made.hash);
  await rm(made.file);
  await expect(makeWorkflowBundle(folder, ahead)).rejects.toThrow(
    /^Expected the bundle of the workflows at .* to be readable, got ENOENT$/,
  );
}, 60_000);
