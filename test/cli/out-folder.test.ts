/** What an out folder remembers: still true when the folder is moved or copied, and believed only as a start has written it. */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, cp, mkdir, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { chaosFolder } from '../../cli/chaos/run-with-chaos.ts';
import { chooseRun } from '../../cli/local/resolve-run.ts';
import { checkStore, openStoreOf } from '../../cli/local/resolve-store.ts';
import { openOutFolder, readOutState } from '../../cli/local/run-dir.ts';
import { resolveInput } from '../../config/resolve.ts';
import { putJson } from '../../storage/documents.ts';
import { createFileStore } from '../../storage/file.ts';
import { readStoreId, storeId } from '../../storage/identity.ts';
import { retinopathy } from '../support/command.ts';
import { startS3 } from '../support/s3/s3.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'out-folder-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
});

/** Writes the state of a start of run `r` with this store, which then has the run. */
async function started(out: string, at: string): Promise<void> {
  const store = createFileStore(at);
  await putJson(store, 'runs/r/run.json', { run: 'r' });
  const opened = await openOutFolder(out);
  await opened.writeState({ run: 'r', store: store.url, storeId: await storeId(store) });
  opened.release();
}

const urlOf = async (out: string) => (await chooseRun({ run: out, out: '' })).store.url;
const inFile = async (out: string) => JSON.parse(await readFile(join(out, 'state.json'), 'utf8')).store;

describe('a store inside', () => {
  test.each(['store', 'deep/down/store', '..store'])('moves and is copied with the folder: %s', async name => {
    const [out, moved, copy] = ['run', 'moved', 'copy'].map(where => join(folder, where)) as [string, string, string];
    await started(out, join(out, name));
    expect(await inFile(out)).toBe(`file:${name}`);
    expect(await urlOf(out)).toBe(`file:${join(out, name)}`);
    await rename(out, moved);
    await cp(moved, copy, { recursive: true });
    expect(await urlOf(moved)).toBe(`file:${join(moved, name)}`);
    expect(await urlOf(copy)).toBe(`file:${join(copy, name)}`);
    // By a relative path and a link it is the same.
    await symlink(copy, join(folder, 'link'));
    expect(await urlOf(join(folder, 'link'))).toBe(`file:${join(folder, 'link', name)}`);
  });

  test('that is gone, empty or exchanged is said in one line, and nothing is made in its place', async () => {
    const out = join(folder, 'run');
    await started(out, join(out, 'store'));
    await rename(join(out, 'store'), join(folder, 'away'));
    const state = (await readOutState(out))!;
    const line = (got: string) =>
      `Expected the store of run r at file:${join(out, 'store')}, got ${got} there: put it back (is its disk mounted?), name its new place with --store, or make everything again with \`run --fresh\``;
    await expect(urlOf(out)).rejects.toThrow(line('none'));
    await expect(checkStore(createFileStore(join(out, 'store')), state)).rejects.toThrow(line('none'));
    expect(await readdir(out)).not.toContain('store');
    await mkdir(join(out, 'store'));
    await expect(urlOf(out)).rejects.toThrow(line('none'));
    await storeId(createFileStore(join(out, 'store')));
    await expect(urlOf(out)).rejects.toThrow(line('another one'));

    // Where it is now may be named; another one that is named is none of the folder's.
    const away = `file:${join(folder, 'away')}`;
    expect((await openStoreOf(state, away)).url).toBe(away);
    await expect(openStoreOf(state, `file:${join(folder, 'nowhere')}`)).rejects.toThrow(line('another one'));
  });
});

describe('a store outside', () => {
  test('stays where it is when the folder moves', async () => {
    await started(join(folder, 'run'), join(folder, 'store'));
    expect(await inFile(join(folder, 'run'))).toBe(`file:${join(folder, 'store')}`);
    await mkdir(join(folder, 'deeper'));
    await rename(join(folder, 'run'), join(folder, 'deeper/run'));
    expect(await urlOf(join(folder, 'deeper/run'))).toBe(`file:${join(folder, 'store')}`);
  });

  test('in S3 has an id as well', async () => {
    // Not versitygw, which lets both of two puts at the same time win.
    const s3 = await startS3(undefined, 'moto');
    onTestFinished(() => s3.close());
    const { createS3Store } = await import('../../storage/s3.ts');
    const store = await createS3Store(s3.url, { env: s3.env });
    expect(await readStoreId(store)).toBeUndefined();
    const [one, two] = await Promise.all([storeId(store), storeId(store)]);
    expect(one).toBe(two);
    expect(await readStoreId(store)).toBe(one);
  });

  test('of another release is refused in one line', async () => {
    const store = createFileStore(join(folder, 'old'));
    const id = randomUUID();
    for (const [content, got] of [
      [{ id }, 'one of release 0.1.0'],
      [{ id, format: 3 }, 'one of format 3'],
    ] as const) {
      await store.put('store.json', Buffer.from(JSON.stringify(content)), { overwrite: true });
      const expected = `Expected ${store.url} to be a store of format 2, got ${got}: name another store or folder`;
      await expect(storeId(store)).rejects.toThrow(expected);
      await expect(openStoreOf({ run: 'r', store: store.url })).rejects.toThrow(expected);
    }
  });

  test('whose id is damaged is said in one line', async () => {
    const store = createFileStore(join(folder, 'store'));
    for (const text of ['', '{', 'null', '{"id": 5}', '{"id": "x"}']) {
      await store.put('store.json', Buffer.from(text), { overwrite: true });
      await expect(readStoreId(store)).rejects.toThrow(
        `Expected store.json in ${store.url} to hold the store's id, got something else: remove it`,
      );
    }
  });
});

describe('state.json', () => {
  test.each([
    ...['null', '[]', '5', '"run"', '{}', '{"run": 5, "store": "file:store"}', '{"run": "", "store": "file:x"}'],
    ...['{"run": "r", "store": {}}', '{"run": "r", "store": "ftp://x"}', '{"run": "r", "store": "file:"}'],
    ...['{"run": "r", "store": "file:x", "storeId": 7}', '{"run": "r"', ''],
  ])('that holds %j is refused in one line', async text => {
    await writeFile(join(folder, 'state.json'), text);
    await expect(readOutState(folder)).rejects.toThrow(
      /^Expected .*\/state\.json to be what an earlier start wrote, got (no JSON|JSON of another kind): remove it; where/,
    );
  });

  test('that is a folder is refused, and a run that is named is no folder', async () => {
    await mkdir(join(folder, 'state.json'));
    await expect(readOutState(folder)).rejects.toThrow('got EISDIR: remove it');
    for (const run of ['dr-2026-11', join(folder, 'state.json/x'), 'r'.repeat(300)])
      expect(await readOutState(run)).toBeUndefined();
  });

  test('ends each command that reads it, by one line', async () => {
    await writeFile(join(folder, 'state.json'), 'null');
    for (const command of [['gc'], ['compare', folder, folder], ['predict', 'x.jpeg'], ['run', '--no-keep']]) {
      const started = retinopathy([...command, '--out', folder]);
      expect((await started.exited).code, command[0]).toBe(1);
      const [line, ...more] = started.output().trim().split('\n');
      expect(more, command[0]).toEqual([]);
      expect(line).toMatch(/^retinopathy: Expected .*\/state\.json to be what an earlier start wrote, got JSON of/);
    }
  }, 120_000);
});

test.runIf(process.getuid?.() === 0)('an out folder of another user is refused in one line', async () => {
  await mkdir(join(folder, 'run/logs'), { recursive: true });
  await chmod(folder, 0o755);
  const program = `import('${new URL('../../cli/local/run-dir.ts', import.meta.url)}').then(({ openOutFolder }) => openOutFolder('${folder}/run')).catch(error => console.log(error.message))`;
  const as = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const node = [process.execPath, '--import', import.meta.resolve('tsx'), '-e', program];
  const { stdout } = spawnSync('setpriv', [...as, ...node], { encoding: 'utf8' });
  expect(stdout.trim()).toBe(`Expected --out ${folder}/run to be a folder that can be written, got EACCES`);
});

describe('what is removed', () => {
  const mine = ['thesis.tex', 'store.old/x', 'lock.of~my~own'];
  async function fill(files: readonly string[]) {
    for (const file of files) {
      await mkdir(join(folder, file, '..'), { recursive: true });
      await writeFile(join(folder, file), 'mine');
    }
  }

  test('before an attack is what a run has written, and nothing of the user', async () => {
    const input = resolveInput({});
    await fill([...mine, 'kills.jsonl', 'survived.json']);
    // Without the state of a run nothing there is a run's.
    await writeFile(join(folder, 'kills.jsonl'), '');
    await chaosFolder(folder, input);
    expect(await readdir(folder)).toEqual(expect.arrayContaining(['kills.jsonl', 'survived.json', 'logs']));

    await started(folder, join(folder, 'store'));
    await fill(['report/report.html', 'temporal.db', 'temporal.db-wal']);
    await chaosFolder(folder, input);
    expect((await readdir(folder)).sort()).toEqual(['lock.of~my~own', 'store.old', 'thesis.tex']);
  });

  test('is told a person by what is there', async () => {
    const out = await openOutFolder(folder);
    expect(await out.howToDiscard()).toBe(`rm -r ${folder}`);
    await fill(['thesis.tex', 'temporal.db']);
    expect(await out.howToDiscard()).toBe(`${folder} holds other files as well; the run's are logs, temporal.db`);
    out.release();
  });
});

test('of kills.jsonl a last line without an end is what a killed process was writing; another that is no kill is refused', async () => {
  const kill = { name: 'kill -9 of Caffe', pids: [7], at: 1, away: null };
  await writeFile(join(folder, 'kills.jsonl'), `${JSON.stringify(kill)}\n{"name": "kill -9 o`);
  expect((await chaosFolder(folder, resolveInput({}))).kills).toEqual([kill]);
  for (const line of ['null', '{}', '{"name": "kill -9 o', '[1]']) {
    await writeFile(join(folder, 'kills.jsonl'), `${JSON.stringify(kill)}\n${line}\n`);
    await expect(chaosFolder(folder, resolveInput({}))).rejects.toThrow(
      `Expected line 2 of ${join(folder, 'kills.jsonl')} to be a kill, got something else: remove the file`,
    );
  }
});
