/** The photographs that somebody names: files, or folders of them. */
import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';

export interface Photograph {
  /** As it was named, or found in a folder that was. */
  file: string;
  /** The same without extension: eyes of one patient lie side by side and differ only in `_left` and `_right`. */
  image: string;
}

export interface FoundPhotographs {
  photographs: Photograph[];
  /** Files in the folders whose names are none of a picture. */
  others: number;
  /** Whether a folder was among the names. */
  folders: boolean;
}

/** Kinds that are not read are listed too: whoever has such pictures in the folder is told so, picture by picture. */
const PICTURE = /\.(jpe?g|png|tiff?|bmp|webp|gif|heic|dcm)$/i;

const collator = new Intl.Collator('en', { numeric: true });

/**
 * What is named, in that order; what folders and those in them hold, by number and name. Hidden files are left out.
 * A name that does not exist is a photograph as well: it fails when it is read, with its reason.
 */
export async function findPhotographs(names: readonly string[]): Promise<FoundPhotographs> {
  const found: FoundPhotographs = { photographs: [], others: 0, folders: false };
  const seen = new Set<string>();
  const add = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    found.photographs.push({ file, image: file.slice(0, file.length - extname(file).length) });
  };
  const walk = async (folder: string): Promise<void> => {
    const entries = (await readdir(folder, { withFileTypes: true })).filter(({ name }) => !name.startsWith('.'));
    for (const entry of entries.sort((a, b) => collator.compare(a.name, b.name))) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) await walk(path);
      else if (PICTURE.test(entry.name)) add(path);
      else found.others++;
    }
  };
  for (const name of names) {
    const isFolder = await stat(name).then(
      file => file.isDirectory(),
      () => false,
    );
    if (!isFolder) add(name);
    else {
      found.folders = true;
      await walk(name);
    }
  }
  return found;
}
