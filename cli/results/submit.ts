/** `retinopathy submit`: submits a file to the competition. */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import colors from 'picocolors';
import { readLabels } from '../../activities/download/download-labels.ts';
import { createHttp } from '../../activities/download/http.ts';
import { createKaggleClient } from '../../activities/download/kaggle/client.ts';
import { ANONYMOUS, findCredentials, mayReceiveCredentials } from '../../activities/download/kaggle/credentials.ts';
import { createKaggleSource } from '../../activities/download/kaggle/source.ts';
import { type SubmissionOptions, submitToKaggle } from '../../activities/download/kaggle/submission.ts';
import { KAGGLE, parseBase } from '../../activities/download/open-source.ts';
import { parseLabels } from '../../activities/download/parse-labels.ts';
import { downloadSettings } from '../../activities/download/settings.ts';
import { checkNames } from '../../activities/scoring/submission.ts';
import { whole } from '../../lib/format.ts';
import { UserError } from '../../lib/user-error.ts';
import { Stopped, untilStopped } from '../local/interrupt.ts';
import { createConsole } from '../ui/console.ts';

const SAMPLE = 'sampleSubmission.csv';
/** Maximum size. Submissions to the competition have about a megabyte. */
const LARGEST = 64 << 20;

/**
 * Checks the file against the competition's sample, and sends it with the credentials that the download uses.
 * @returns the exit status; @throws Error with a one-line message
 */
export async function submit(
  file: string,
  { message, competition, source }: Record<'message' | 'competition' | 'source', string>,
): Promise<number> {
  if (message.trim() === '') throw new UserError('Expected --message to say what is submitted, got nothing');
  const screen = createConsole();
  const { bytes, modified } = await readSubmission(file);
  const images = [...parseLabels(bytes, file).levels.keys()];

  const base = parseBase(source === 'kaggle' ? KAGGLE : source);
  const { patience, silenceMs } = downloadSettings(process.env);
  const allowed = mayReceiveCredentials(base, process.env);
  const credentials = allowed ? await findCredentials(process.env) : ANONYMOUS;
  for (const warning of credentials.warnings) screen.line(colors.yellow(`  ${warning}`));
  const line = {
    base,
    competition,
    credentials,
    keptBack: !allowed,
    http: createHttp(process.env, silenceMs),
    patience,
  };
  const submission = { name: basename(file), bytes, modified, message };
  let work: ReturnType<typeof submitToKaggle> | undefined;
  const ended = await untilStopped(signal => {
    work = checkAgainstSample(file, images, { ...line, signal }).then(() => {
      screen.line(`  ${whole(images.length)} pictures, those of ${SAMPLE}`);
      return submitToKaggle({ ...line, signal }, submission);
    });
    return work;
  });
  if (ended instanceof Stopped) {
    // Waits for the outcome, to report whether the server had accepted the file by then.
    const said = await work!.then(
      () => 'it was submitted before',
      (failure: Error) => (failure === ended ? 'nothing was submitted' : failure.message),
    );
    screen.line(`  Stopped (${ended.message}): ${said}`);
    return ended.exitCode;
  }
  const { message: said, ref, left } = ended;
  screen.line(`  ${colors.green('✓')} ${base.host}: ${said}${ref === null ? '' : ` (submission ${ref})`}`);
  if (left !== null) screen.line(`  ${left} more today`);
  if (source === 'kaggle') screen.line(`  Score   https://www.kaggle.com/competitions/${competition}/submissions`);
  return 0;
}

async function readSubmission(file: string): Promise<{ bytes: Buffer; modified: Date }> {
  try {
    const { size, mtime } = await stat(file);
    if (size > LARGEST) throw new UserError(`Expected ${file} to be a submission, got ${whole(size)} bytes`);
    return { bytes: await readFile(file), modified: mtime };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`Expected ${file} to be a file that can be read, got ${(error as NodeJS.ErrnoException).code}`);
  }
}

async function checkAgainstSample(file: string, images: string[], line: SubmissionOptions): Promise<void> {
  const { competition, patience, signal } = line;
  const client = createKaggleClient(line);
  const listed = (await client.list(signal)).map(({ name }) => name);
  const sample = [SAMPLE, `${SAMPLE}.zip`].find(name => listed.includes(name));
  if (sample === undefined) {
    throw new UserError(`Expected ${SAMPLE} among the files of ${competition}, got none to check ${file} against`);
  }
  const source = createKaggleSource({ name: competition, folder: '', client, http: line.http, patience });
  checkNames(file, images, [...(await readLabels(sample, { source, patience, signal })).levels.keys()]);
}
