/** Real archives of real JPEGs for the tests of this folder, made small, and cut into parts. */
import sharp from 'sharp';
import yazl from 'yazl';
import type { ArchivePart } from '../../activities/zip/virtual-file.ts';
import { crc32c } from '../../storage/checksum.ts';
import type { ArtifactStore } from '../../storage/store.ts';

/**
 * A photograph like the competition's: an orange disc with a vessel and some noise on black. Deterministic by `seed`.
 * @param filling diameter of the disc as a share of the height; above 1 it is cut off above and below
 */
export async function eyeJpeg(seed: number, width = 240, height = 160, filling = 0.84): Promise<Buffer> {
  const radius = (height * filling) / 2;
  const x = width / 2 + (seed % 7) - 3;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
    <rect width="100%" height="100%" fill="#020101"/>
    <circle cx="${x}" cy="${height / 2}" r="${radius}" fill="rgb(${200 - (seed % 5) * 8},${90 + (seed % 3) * 9},40)"/>
    <circle cx="${x + radius / 2}" cy="${height / 2 - 5}" r="${radius / 6}" fill="#ffe9a0"/>
    <path d="M${x + radius / 2} ${height / 2} q ${-radius / 2} ${-radius / 3} ${-radius} ${(seed % 11) * 3}" stroke="#7a1d10" stroke-width="3" fill="none"/>
  </svg>`;
  const { data, info } = await sharp(Buffer.from(svg)).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  let state = seed * 2_654_435_761 + 1;
  for (let at = 0; at < data.length; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    if (data[at]! > 8) data[at] = Math.min(255, data[at]! + (state >>> 29));
  }
  return sharp(data, { raw: { width: info.width, height: info.height, channels: 3 } })
    .jpeg({ quality: 88 })
    .toBuffer();
}

export interface ZipOptions {
  zip64?: boolean;
  comment?: string;
  stored?: boolean;
}

/** A zip of the files in their order; a name may come twice. */
export async function zipOf(files: readonly (readonly [string, Buffer])[], options: ZipOptions = {}): Promise<Buffer> {
  const zip = new yazl.ZipFile();
  const zip64 = options.zip64 ?? true;
  for (const [name, bytes] of files) {
    zip.addBuffer(bytes, name, { mtime: new Date(0), compress: !options.stored, forceZip64Format: zip64 });
  }
  zip.end({ forceZip64Format: zip64, comment: options.comment ?? '' });
  const chunks: Buffer[] = [];
  for await (const chunk of zip.outputStream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Stores byte ranges of an archive as `train.zip.001`, … and returns them as the download stage does. */
export async function storeParts(
  store: ArtifactStore,
  archive: Buffer,
  borders: readonly number[],
  folder = 'archives/test',
): Promise<ArchivePart[]> {
  const starts = [0, ...borders];
  const parts: ArchivePart[] = [];
  for (const [n, start] of starts.entries()) {
    const name = `train.zip.${String(n + 1).padStart(3, '0')}`;
    const bytes = archive.subarray(start, starts[n + 1] ?? archive.length);
    await store.put(`${folder}/${name}`, bytes);
    parts.push({ name, key: `${folder}/${name}`, offset: 0, size: bytes.length, crc32c: crc32c(bytes) });
  }
  return parts;
}

/** Offsets of the local headers in an archive, by the name that follows each. */
export function headerOf(archive: Buffer, name: string): number {
  const at = archive.indexOf(Buffer.from(name));
  return at - 30;
}

/** Offset of the record of `name` in the central directory. */
export function recordOf(archive: Buffer, name: string): number {
  return archive.lastIndexOf(Buffer.from(name)) - 46;
}

/** Replaces a name wherever the archive says it; both have the same length. */
export function renamed(archive: Buffer, from: string, to: string): Buffer {
  const copy = Buffer.from(archive);
  for (let at = copy.indexOf(from); at >= 0; at = copy.indexOf(from, at + 1)) copy.write(to, at, 'latin1');
  return copy;
}
