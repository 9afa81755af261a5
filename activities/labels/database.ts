/** Builds an LMDB with Caffe's own tool: no other writer makes databases of the version that Caffe reads. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quote } from '../../lib/quote.ts';
import { CaffeError, type CaffeOptions, runCaffe } from '../caffe/run-caffe.ts';

export interface DatabaseOptions extends CaffeOptions {
  /** Lines `file grade` in the order of the database. */
  records: readonly string[];
  /** Keeps the images as PNG instead of raw pixels. */
  encoded: boolean;
  onProgress: (files: number) => void;
}

/**
 * Creates `database/data.mdb` in `options.cwd`, from the images in its folder `pictures`.
 * @throws CaffeError when an image is missing from the database: the tool itself skips it and succeeds
 */
export async function makeDatabase(options: DatabaseOptions): Promise<void> {
  const { cwd, records, encoded, onProgress } = options;
  await writeFile(join(cwd, 'records.txt'), records.map(record => `${record}\n`).join(''));
  let processed = 0;
  const errors: string[] = [];
  const form = encoded ? ['--encoded', '--encode_type=png'] : [];
  await runCaffe('convert_imageset', [...form, '--backend=lmdb', 'pictures/', 'records.txt', 'database'], {
    ...options,
    onEvent: event => {
      if (event.kind === 'processed') {
        processed = event.files;
        onProgress(processed);
      }
      if (event.kind === 'error') errors.push(event.message);
    },
  });
  if (processed !== records.length) {
    throw new CaffeError(
      `Expected ${records.length} records in the database, got ${processed}: ${quote(errors[0] ?? 'convert_imageset left some out without a word', 200)}`,
    );
  }
}
