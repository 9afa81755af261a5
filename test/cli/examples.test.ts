/** The example that each command's help ends with: there is one, it parses, and typed as it stands there it does what it is there for. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readRecord } from '../../activities/run/records.ts';
import { createProgram } from '../../cli/commands/program.ts';
import { choosePort } from '../../cli/local/ports.ts';
import { createFileStore } from '../../storage/file.ts';
import { type KaggleServer, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { served } from '../download/world.ts';
import { readPhotographs } from '../scoring/own-pictures.ts';
import { EXAMPLE_CASES, expectExample } from '../support/example-cases.ts';
import { helpExamples, runExample, startExample, type Typed, type Typing, wordsOf } from '../support/help-examples.ts';

const PROXY_SETTINGS = ['HTTP_PROXY', 'HTTPS_PROXY', 'http_proxy', 'https_proxy'];
const EXAMPLES = helpExamples();
const exampleOf = (command: string) => EXAMPLES.find(example => example.command === command)!;

test('every command has one example in its help, and a case that says what it shows', () => {
  expect(EXAMPLES.filter(({ line }) => line === '')).toEqual([]);
  expect(EXAMPLES.map(({ command }) => command).sort()).toEqual(Object.keys(EXAMPLE_CASES).sort());
});

test.each(EXAMPLES)(
  '$command: $line is a line of that command, with options that it knows',
  async ({ command, line }) => {
    const { args, env } = wordsOf(line);
    for (const name of Object.keys(env)) expect(['TEMPORAL_ADDRESS', 'RETINOPATHY_STORE']).toContain(name);
    const reached: string[] = [];
    const replaceActions = (those: readonly Command[], path: readonly string[]): void => {
      for (const each of those) {
        const names = [...path, each.name()];
        if (each.commands.length > 0) replaceActions(each.commands, names);
        else each.configureOutput({ writeErr: () => {} }).action(() => void reached.push(names.join(' ')));
      }
    };
    const program = createProgram();
    replaceActions(program.commands, []);
    await program.parseAsync(args, { from: 'user' });
    expect(reached).toEqual([command]);
  },
);

test('without a command it is `run`', async () => {
  const program = createProgram();
  let ran = false;
  program.commands
    .find(each => each.name() === 'run')!
    .action(() => {
      ran = true;
    });
  await program.parseAsync([], { from: 'user' });
  expect(ran).toBe(true);
});

// A run, a fork and an archive to score take their time.
describe.runIf(process.env.RETINOPATHY_LONG)('typed in a new folder', () => {
  const TOKEN = 'KGAT_of-this-test';
  let folder: string;
  let kaggle: KaggleServer;
  let sample = Buffer.from('');
  let typing: Typing;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'examples-'));
    const files = () => [served('sampleSubmission.csv', sample)];
    kaggle = await startKaggleServer({ competition: 'diabetic-retinopathy-detection', token: TOKEN, files });
    typing = {
      cwd: folder,
      // What nobody can write down before: a free port, the name of the run. And nothing is handed in to the competition itself.
      meanings: {
        '7233': String(await choosePort(undefined, 0, '--port')),
        'retinopathy submit': `retinopathy submit --source ${kaggle.url}`,
      },
      // Whatever goes beyond this machine ends at once.
      env: {
        KAGGLE_API_TOKEN: TOKEN,
        RETINOPATHY_KAGGLE_HOSTS: '127.0.0.1',
        ...Object.fromEntries(PROXY_SETTINGS.map(name => [name, 'http://127.0.0.1:1'])),
      },
    };
  });
  afterAll(async () => {
    await kaggle?.close();
    await rm(folder, { recursive: true, force: true });
  });

  /** What an example finds that no other makes. */
  const preparations: Record<string, () => Promise<void>> = {
    async predict() {
      const store = createFileStore(join(folder, 'run/store'));
      const { stages } = (await readRecord(store, await runOf()))!;
      const download = `stages/download/${stages.download!.key}`;
      for (const [image, jpeg] of await readPhotographs(store, download, ['10_left', '10_right'])) {
        await writeFile(join(folder, `${image}.jpeg`), jpeg);
      }
    },
    async submit() {
      const submission = await readFile(join(folder, 'run/test/submission.csv'), 'utf8');
      sample = Buffer.from(submission.replaceAll(/,\d$/gm, ',0'));
    },
  };

  const runOf = async () => JSON.parse(await readFile(join(folder, 'run/state.json'), 'utf8')).run as string;

  const ended = new Map<string, Promise<Typed>>();
  /** Types the example once, after those whose results it takes up. */
  function typed(command: string): Promise<Typed> {
    const known = ended.get(command) ?? type(command);
    ended.set(command, known);
    return known;
  }
  async function type(command: string): Promise<Typed> {
    const { after = ['run'], asksServer = false, stays = false, says } = EXAMPLE_CASES[command]!;
    for (const each of after) await expectExample(each, await typed(each), folder);
    await preparations[command]?.();
    const meanings = { ...typing.meanings, ...(after.length > 0 && { 'dr-2026-11': await runOf() }) };
    const server = asksServer
      ? await startExample(exampleOf('ui'), EXAMPLE_CASES.ui!.says, { ...typing, meanings })
      : undefined;
    try {
      if (!stays) return await runExample(exampleOf(command), { ...typing, meanings });
      const staying = await startExample(exampleOf(command), says, { ...typing, meanings });
      if (command === 'ui') await expectWebUi(staying.said);
      return await staying.end('SIGTERM');
    } finally {
      await server?.end('SIGTERM');
    }
  }

  async function expectWebUi(said: string): Promise<void> {
    const [url] = /http:\S+/.exec(said)!;
    expect(await (await fetch(url)).text()).toMatch(/<title>.*Temporal|<html/i);
  }

  test.each(Object.keys(EXAMPLE_CASES))(
    '%s',
    async command => expectExample(command, await typed(command), folder),
    240_000,
  );

  test('what was handed in is what was scored', async () => {
    await typed('submit');
    expect(kaggle.submissions).toMatchObject([{ description: 'small network, 2 epochs' }]);
    expect(kaggle.submissions[0]!.bytes).toEqual(await readFile(join(folder, 'run/test/submission.csv')));
  }, 240_000);
});
