/** Damage to objects at rest in a store folder, and the kinds of objects that a finished run leaves there. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bytesOf } from '../storage/bytes.ts';

export type Damage = 'flip' | 'cut' | 'gone';
export const DAMAGES: readonly Damage[] = ['flip', 'cut', 'gone'];

/**
 * Damages the object.
 * @param seed of the bit that flips; 0 for one in the middle, where the data is
 * @returns what puts the object back as it was
 */
export async function damage(store: string, key: string, how: Damage, seed = 0): Promise<() => Promise<void>> {
  const path = join(store, key);
  const whole = await readFile(path);
  if (how === 'gone') await rm(path);
  else await writeFile(path, how === 'cut' ? whole.subarray(0, -1) : flipped(whole, seed));
  return () => writeFile(path, whole);
}

function flipped(whole: Buffer, seed: number): Buffer {
  const bytes = Buffer.from(whole);
  const random = bytesOf(seed, 8);
  const at = seed === 0 ? bytes.length >> 1 : random.readUInt32LE(0) % bytes.length;
  bytes[at]! ^= 1 << (random[4]! % 8);
  return bytes;
}

/** Every kind of object of a finished run, and who reads it. What nobody reads is in the list with nobody. */
export const KINDS: [kind: string, pattern: RegExp, readers: string[]][] = [
  ['chunk of a part', /^archives\/.*\/train\.zip\.001\/.*\/00000-\w{8}$/, ['prepare']],
  ['list of the chunks of a part', /^archives\/.*\/train\.zip\.001\/.*\/chunks\.json$/, ['prepare']],
  ['record of a part', /^archives\/.*\/part\.json$/, ['prepare']],
  ['chunk of the last part, with the directory', /^archives\/.*\/train\.zip\.005\/.*\/00000-\w{8}$/, ['prepare']],
  ['labels.csv', /^archives\/.*labels\.csv$/, ['prepare', 'label']],
  ['directory.json', /^stages\/prepare\/.*directory\.json$/, ['explain']],
  ['shard tar', /^stages\/prepare\/.*shard-000\.tar$/, ['explain', 'webdataset', 'digits', 'label']],
  ['shard index', /^stages\/prepare\/.*shard-000\.index\.json$/, ['explain', 'webdataset', 'label', 'regress']],
  ['originals', /^stages\/prepare\/.*originals\.tar$/, []],
  ['quarantine.jsonl', /^stages\/prepare\/[^/]*\/quarantine\.jsonl$/, []],
  ['folds.csv', /^stages\/label\/.*folds\.csv$/, ['explain', 'webdataset', 'regress']],
  ['plan.json', /^stages\/label\/.*plan\.json$/, ['explain', 'train', 'predict']],
  ['list of a split', /^stages\/label\/.*split-0\/train\.tsv$/, ['digits']],
  ['LMDB', /^stages\/label\/.*train-00\.mdb$/, ['train']],
  ['mean picture', /^stages\/label\/.*mean\.binaryproto$/, ['predict', 'train']],
  ['snapshot', /^stages\/segment\/.*\.caffemodel$/, ['predict', 'explain']],
  ['curve of a segment', /^stages\/segment\/.*curve\.json$/, ['train']],
  ['manifest of a segment', /^stages\/segment\/.*manifest\.json$/, ['predict', 'train', 'plan', 'gc']],
  ['judgement of a snapshot', /^stages\/segment\/.*evaluation-.*\.json$/, ['epochs', 'plan']],
  ['scores.csv', /^stages\/train\/.*scores\.csv$/, ['explain', 'regress']],
  ['curves.csv', /^stages\/train\/.*curves\.csv$/, []],
  ['segments.json', /^stages\/train\/.*segments\.json$/, ['predict', 'explain', 'gc']],
  [
    'manifest of a stage',
    /^stages\/label\/.*manifest\.json$/,
    ['explain', 'webdataset', 'digits', 'predict', 'regress'],
  ],
  ['manifest of a download', /^stages\/download\/.*manifest\.json$/, ['plan', 'gc', 'prepare']],
  ['run.json', /^runs\/[^/]+\/run\.json$/, ['explain', 'predict', 'plan', 'gc']],
  ['record of a stage', /^runs\/.*\/stages\/label\.json$/, ['explain', 'predict', 'plan', 'gc']],
  ['metrics.json', /^runs\/.*\/report\/metrics\.json$/, ['report', 'explain', 'predict']],
  ['predictions.csv', /^runs\/.*\/report\/predictions\.csv$/, ['report']],
  ['report.html', /^runs\/.*\/report\/report\.html$/, ['report']],
  ['augmentation.png', /^runs\/.*\/report\/augmentation\.png$/, ['report']],
  ['checksum of a report file', /^runs\/.*\/checksums\/metrics\.json\.json$/, ['report', 'explain']],
];

/**
 * What need not show. Nothing in the store says that a judgement or the record of a run has been there; a lost checksum leaves
 * a file that is whole, a part's record is only asked for when the part is fetched, and a tar ends with zeros that say nothing.
 */
export const UNNOTICED: Partial<Record<string, readonly Damage[]>> = {
  'record of a part': DAMAGES,
  'shard tar': ['cut'],
  'manifest of a segment': ['gone'],
  'judgement of a snapshot': ['gone'],
  'run.json': ['gone'],
  'record of a stage': ['gone'],
  'checksum of a report file': ['gone'],
};
