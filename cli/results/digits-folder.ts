/** Folder for DIGITS: loose PNGs, and for each split the lists that name them. It appears whole or not at all. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { extractPictures, placesOfFiles, readIndexes } from '../../activities/images/read-shards.ts';
import { getArtifact } from '../../storage/artifacts.ts';
import { withRoom } from '../../storage/fsync.ts';
import { needManifest } from '../../storage/stage-outputs.ts';
import type { ArtifactStore } from '../../storage/store.ts';
import { makeFolder } from '../local/atomic-dir.ts';

export interface DigitsExport {
  /** `stages/prepare/<key>` and `stages/label/<key>`, both finished. */
  prepare: string;
  label: string;
  /** Absolute path; absent, or an empty folder. */
  folder: string;
  signal: AbortSignal;
  onProgress: (written: number, of: number) => void;
}

/**
 * Writes `images/10_left.a.png` …, and `split-k/{train,val,test}.tsv` and `labels.txt` as the run used them. Each list also has a copy
 * with spaces, `train.txt`: Caffe's own convert_imageset splits name and label at the last space and takes no tab.
 * @returns the number of images
 * @throws UserError when the folder is not empty, NoSpace, the signal's reason. Nothing is left then.
 */
export async function writeDigitsFolder(store: ArtifactStore, job: DigitsExport): Promise<number> {
  const lists = await readLists(store, job.label);
  const files = new Set(
    [...lists]
      .filter(([name]) => name.endsWith('.tsv'))
      .flatMap(([, text]) => rows(text).map(row => row.split('\t')[0]!)),
  );
  const wanted = placesOfFiles(await readIndexes(store, job.prepare), [...files]);

  await makeFolder(job.folder, job.signal, making =>
    withRoom(
      dirname(job.folder),
      wanted.reduce((sum, { size }) => sum + size, 0),
      async () => {
        await extractPictures(store, wanted, join(making, 'images'), job.signal, done =>
          job.onProgress(done, wanted.length),
        );
        for (const [name, text] of lists) {
          await mkdir(dirname(join(making, name)), { recursive: true });
          await writeFile(join(making, name), text);
          if (!name.endsWith('.tsv')) continue;
          await writeFile(join(making, name.replace(/tsv$/, 'txt')), text.replaceAll('\t', ' '));
        }
      },
    ),
  );
  return wanted.length;
}

/** Reads the lists and the names of the labels from the label stage. @returns their text by file name */
async function readLists(store: ArtifactStore, label: string): Promise<Map<string, string>> {
  const { outputs } = await needManifest(store, label);
  const lists = new Map<string, string>();
  for (const [name, artifact] of Object.entries(outputs)) {
    if (/^split-\d\/(\w+\.tsv|labels\.txt)$/.test(name)) {
      lists.set(name, (await getArtifact(store, artifact)).toString('utf8'));
    }
  }
  if (lists.size === 0) throw new Error(`Expected the lists of the splits in ${label}/manifest.json, got none`);
  return lists;
}

function rows(text: string): string[] {
  return text.split('\n').filter(line => line !== '');
}
