/** `retinopathy submit`: what is sent, what is refused before anything is sent, and what is never sent twice. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { submit } from '../../cli/results/submit.ts';
import { type KaggleServer, type KaggleServerOptions, startKaggleServer } from '../../synthetic/kaggle/server.ts';
import { refusal } from '../../synthetic/kaggle/server-faults.ts';
import { served, zipOf } from '../download/world.ts';
import { retinopathy } from '../support/command.ts';
import { busy } from '../support/odd-answers.ts';

const TOKEN = 'KGAT_of-this-test';
const GOOD = 'image,level\n10_left,0\n10_right,3\n13_left,1\n';
const SAMPLE = Buffer.from('image,level\n10_left,0\n10_right,0\n13_left,0\n');

let folder: string;
let server: KaggleServer;
let calls: string[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'submit-'));
  calls = [];
});
afterEach(async () => {
  await server?.close();
  await rm(folder, { recursive: true, force: true });
});

async function serve({ onApiRequest, ...options }: Partial<KaggleServerOptions> = {}): Promise<void> {
  const sample = served('sampleSubmission.csv.zip', await zipOf({ 'sampleSubmission.csv': SAMPLE }, true));
  server = await startKaggleServer({
    ...{ competition: 'eyes', token: TOKEN, files: [sample], ...options },
    onApiRequest: call => {
      calls.push(call.method);
      return onApiRequest?.(call);
    },
  });
}

/** In this process: what the command prints, or the error that it ends with. */
async function submitted(csv: string, token = TOKEN): Promise<string> {
  const file = join(folder, 'submission.csv');
  await writeFile(file, csv);
  vi.stubEnv('KAGGLE_API_TOKEN', token);
  vi.stubEnv('HOME', folder);
  vi.stubEnv('RETINOPATHY_KAGGLE_HOSTS', '127.0.0.1');
  const printed = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
  try {
    const options = { message: 'tiny, by hand', competition: 'eyes', source: server.url };
    const failure = await submit(file, options).then(
      () => '',
      (error: Error) => error.message,
    );
    const said = printed.mock.calls.map(([text]) => text).join('') + failure;
    expect(said).not.toContain(token);
    expect(said).not.toContain('upload_id');
    return said;
  } finally {
    printed.mockRestore();
    vi.unstubAllEnvs();
  }
}

describe('retinopathy submit', () => {
  test('sends the file as it is, and says what Kaggle says', async () => {
    await serve();
    const file = join(folder, 'submission.csv');
    await writeFile(file, GOOD);
    const command = retinopathy(
      ['submit', file, '--message', 'tiny, by hand', '--competition', 'eyes', '--source', server.url],
      { KAGGLE_API_TOKEN: TOKEN, RETINOPATHY_KAGGLE_HOSTS: '127.0.0.1', HOME: folder },
    );
    const { code } = await command.exited;
    const said = command.output();
    expect(code, said).toBe(0);
    expect(said).toContain('3 pictures, those of sampleSubmission.csv');
    expect(said).toContain('Successfully submitted to eyes (submission 50000000)');
    expect(said).toContain('4 more today');
    expect(server.submissions).toMatchObject([{ fileName: 'submission.csv', description: 'tiny, by hand' }]);
    expect(server.submissions[0]!.bytes.toString()).toBe(GOOD);
  });

  test.each([
    [
      'a picture missing',
      'image,level\n10_left,0\n13_left,1\n',
      /Expected .* 3 pictures .* got 1 missing \(10_right\)/,
    ],
    ['a strange picture', `${GOOD}99_left,2\n`, /got 1 that the sample does not name \(99_left\)/],
    ['a picture twice', `${GOOD}10_left,2\n`, /Expected 10_left once in line 5 .*, got it again after line 2/],
    ['a stage 5', GOOD.replace('3\n', '5\n'), /Expected a level that is an integer from 0 to 4 in line 3/],
    ['no header', GOOD.replace('image,level\n', ''), /Expected the header `image,level` in line 1/],
  ])('refuses %s, and sends nothing', async (_, csv, line) => {
    await serve();
    expect(await submitted(csv)).toMatch(line);
    expect(calls).not.toContain('StartSubmissionUpload');
  });

  test('uploads again when the storage is busy, and submits once', async () => {
    let uploads = 0;
    await serve({ onUpload: () => (++uploads === 1 ? busy(503) : undefined) });
    expect(await submitted(GOOD)).toContain('Successfully submitted');
    expect(uploads).toBe(2);
    expect(server.submissions).toHaveLength(1);
  });

  test('submits no second time where nobody can say whether the first was taken', async () => {
    await serve({ onApiRequest: ({ method }) => (method === 'CreateSubmission' ? { cutAfter: 0 } : undefined) });
    expect(await submitted(GOOD)).toMatch(
      /Expected an answer to the submission, got none .*before sending it again, look whether/,
    );
    expect(calls.filter(method => method === 'CreateSubmission')).toHaveLength(1);
    expect(server.submissions).toHaveLength(1);
  });

  test('shows what Kaggle refuses: wrong token, rules, allowance', async () => {
    await serve();
    expect(await submitted(GOOD, 'KGAT_another')).toMatch(/create a new token at/);
    await server.close();
    await serve({
      onApiRequest: ({ method }) =>
        method === 'StartSubmissionUpload' ? refusal(403, 'You must accept the rules') : undefined,
    });
    expect(await submitted(GOOD)).toMatch(/to let .* send a submission to eyes, got 403 .*accept the rules at https/);
    await server.close();
    await serve({
      onApiRequest: ({ method }) => (method === 'CreateSubmission' ? refusal(400, 'allowance used') : undefined),
    });
    expect(await submitted(GOOD)).toMatch(/to take a submission to eyes, got 400 \(allowance used\)/);
    expect(server.submissions).toHaveLength(0);
  });
});
