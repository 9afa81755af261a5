/** Builds an LMDB with Caffe's own tool: no other writer makes databases of the version it reads. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CaffeError, type CaffeOptions, runCaffe } from '../training/run-caffe.ts';

export interface DatabaseOptions extends CaffeOptions {
  /** Lines `file stage` in the order of the database. */
  records: readonly string[];
  /** Keep the pictures as PNG instead of raw pixels. */
  encoded: boolean;
  /** Make the mean picture too. */
  mean: boolean;
  onProgress: (files: number) => void;
}

/**
 * Makes `database/data.mdb` and, if asked for, `mean.binaryproto` in `options.cwd`, from the pictures in its folder `pictures`.
 * @throws CaffeError when a picture did not get in: the tool itself skips it and succeeds
 */
export async function makeDatabase(options: DatabaseOptions): Promise<void> {
  const { cwd, records, encoded, mean, onProgress } = options;
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
      `Expected ${records.length} records in the database, got ${processed}: ${errors[0] ?? 'convert_imageset left some out without a word'}`,
    );
  }
  if (mean) {
    await runCaffe('compute_image_mean', ['--backend=lmdb', 'database', 'mean.binaryproto'], {
      ...options,
      onEvent: () => {},
    });
  }
}
