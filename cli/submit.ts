/** `retinopathy submit`: hands a submission in to the competition. */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import colors from 'picocolors';
import { ANONYMOUS, findCredentials, mayReceiveCredentials } from '../activities/download/credentials.ts';
import { readLabels } from '../activities/download/download-labels.ts';
import { createHttp } from '../activities/download/http.ts';
import { createKaggleClient } from '../activities/download/kaggle-client.ts';
import { createKaggleSource } from '../activities/download/kaggle-source.ts';
import { type SubmissionOptions, submitToKaggle } from '../activities/download/kaggle-submission.ts';
import { imagesOf, parseLabels } from '../activities/download/labels.ts';
import { KAGGLE, parseBase, readApi } from '../activities/download/open-source.ts';
import { downloadSettings } from '../activities/download/settings.ts';
import { checkNames } from '../activities/scoring/submission.ts';
import { createConsole } from './console.ts';
import { whole } from './format.ts';
import { Stopped, stopSignal } from './stop-signal.ts';
import { UserError } from './user-error.ts';

export interface SubmitOptions {
  message: string;
  competition: string;
  source: string;
}

const SAMPLE = 'sampleSubmission.csv';
/** The competition's have a megabyte. */
const LARGEST = 64 << 20;

/**
 * Checks the file against the competition's sample, and sends it with the credentials that the download uses.
 * @returns the exit status; @throws Error with one line for a person
 */
export async function submit(file: string, { message, competition, source }: SubmitOptions): Promise<number> {
  if (message.trim() === '') throw new UserError('Expected --message to say what is submitted, got nothing');
  const screen = createConsole();
  const { bytes, modified } = await readSubmission(file);
  const images = imagesOf(parseLabels(bytes, file));

  const base = parseBase(source === 'kaggle' ? KAGGLE : source);
  const { patience, silenceMs } = downloadSettings(process.env);
  const allowed = mayReceiveCredentials(base, process.env);
  const credentials = allowed ? await findCredentials(process.env) : ANONYMOUS;
  for (const warning of credentials.warnings) screen.line(colors.yellow(`  ${warning}`));
  const stop = stopSignal();
  const stopped = new AbortController();
  const line = {
    ...{ base, api: readApi(process.env) },
    competition,
    credentials,
    keptBack: !allowed,
    http: createHttp(process.env, silenceMs),
    patience,
  };
  const work = (async () => {
    const { signal } = stopped;
    await checkAgainstSample(file, images, { ...line, signal });
    screen.line(`  ${whole(images.length)} pictures, those of ${SAMPLE}`);
    return submitToKaggle({ ...line, signal }, { name: basename(file), bytes, modified, message });
  })();
  try {
    const { message: said, ref, left } = await stop.race(work);
    screen.line(`  ${colors.green('✓')} ${base.host}: ${said}${ref === null ? '' : ` (submission ${ref})`}`);
    if (left !== null) screen.line(`  ${left} more today`);
    if (source === 'kaggle') screen.line(`  Score   https://www.kaggle.com/competitions/${competition}/submissions`);
    return 0;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    stopped.abort(error);
    // Whether it had been taken by then is the last thing to be said.
    const ended = await work.then(
      () => 'it was submitted before',
      (failure: Error) => (failure === error ? 'nothing was submitted' : failure.message),
    );
    screen.line(`  Stopped (${error.message}): ${ended}`);
    return error.exitCode;
  } finally {
    stop.release();
  }
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
  checkNames(file, images, imagesOf(await readLabels(sample, { source, patience, signal })));
}
