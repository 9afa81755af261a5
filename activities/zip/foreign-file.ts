/** Identifies by its first bytes a file that is no part of a zip and no table. Pure. */

/** Bytes to read: a tar has its signature at byte 257. */
export const FIRST_BYTES = 512;

const ARCHIVES: [kind: string, magic: string, at: number][] = [
  ['a 7z archive', '7z\xbc\xaf\x27\x1c', 0],
  ['a RAR archive', 'Rar!\x1a\x07', 0],
  ['a tar archive', 'ustar', 257],
  ['a gzip file', '\x1f\x8b\x08', 0],
  ['a bzip2 file', 'BZh', 0],
  ['an XZ file', '\xfd7zXZ\x00', 0],
  ['a Zstandard file', '\x28\xb5\x2f\xfd', 0],
];
const WEB_PAGE = /^(\xef\xbb\xbf)?\s*<(!doctype|html|head|body|script|\?xml)/i;
const LFS_POINTER = /^version https:\/\/git-lfs/;
const UTF_16 = /^(\xff\xfe|\xfe\xff)/;

/** Describes the file and what to do, for a message; undefined where it is not known. The bytes may come from any part of a zip. */
export function foreignFile(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1', 0, FIRST_BYTES);
  if (WEB_PAGE.test(text)) return 'a web page, such as a login page: sign in and download it again';
  if (LFS_POINTER.test(text)) return 'a pointer of Git LFS: fetch the file with `git lfs pull`';
  if (text !== '' && /^\0*$/.test(text)) return 'zeros, as a stopped download leaves: download it again';
  return undefined;
}

/** Returns the kind of another archive that starts with these bytes. A part from the middle of a zip may look like one by chance. */
export function foreignArchive(bytes: Buffer): string | undefined {
  const text = bytes.toString('latin1', 0, FIRST_BYTES);
  return ARCHIVES.find(([, magic, at]) => text.startsWith(magic, at))?.[0];
}

/** Describes the file by the first bytes of a table, or of the zip around one file. */
export function foreignWhole(bytes: Buffer): string | undefined {
  if (UTF_16.test(bytes.toString('latin1', 0, 2))) return 'text in UTF-16: save it as CSV in UTF-8';
  const archive = foreignArchive(bytes);
  return archive === undefined ? foreignFile(bytes) : `${archive}: unpack it, and give what is in it`;
}
