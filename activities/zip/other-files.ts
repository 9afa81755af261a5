/**
 * Identifies entries of a zip that are neither images nor tables, but files that systems and people add beside them. An image with
 * a damaged name must not count as one, or it would be missing without a message. Pure.
 */

/** Files that macOS and Windows leave in folders. The name of a folder's icon ends with a carriage return. */
const LEFT_BY_SYSTEM = /^(\.DS_Store|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r)$/i;
const LEFT_BY_MACOS = /(^|\/)__MACOSX\//;
/** Matches anywhere in the last name: `10_left.jpeg.part` is an image that did not arrive whole. */
const PICTURE = /\.(jpe|jpg|jfif|jp2|j2k|jxl|png|tif|bmp|gif|webp|avif|hei[cf]|dcm|dicom|p[bgp]m|tga|nii|mha)/i;
const DOCUMENT =
  /^(readme|licen[cs]e|copying|notice|authors|citation|changelog)(\.|$)|\.(txt|md|rst|tex|csv|tsv|jsonl?|xml|ya?ml|toml|html?|css|js|pdf|rtf|docx?|xlsx?|pptx?|od[tsp]|log|ini|cfg|conf|url|webloc|lnk|nfo|md5|sha1|sha256|sha512|sfv|crc|py|ipynb|sh|bat|db)$/i;

/** Returns whether an operating system left the entry there. @param names of all entries of the zip */
export function isLeftBySystem(name: string, names: ReadonlySet<string>): boolean {
  const last = lastName(name);
  if (LEFT_BY_MACOS.test(name) || LEFT_BY_SYSTEM.test(last)) return true;
  // AppleDouble: a Mac keeps `._x` beside `x` on foreign disks.
  return last.startsWith('._') && names.has(name.slice(0, -last.length) + last.slice(2));
}

/** Returns whether a file is for people or programs to read: a README, a table, a script. */
export function isDocument(name: string): boolean {
  const last = lastName(name);
  return DOCUMENT.test(last) && !PICTURE.test(last);
}

/** Returns whether a name that does not match the pattern cannot be an image's, because it has no number for the patient. */
export function hasNoPatient(name: string): boolean {
  return !/\d/.test(name) && !PICTURE.test(lastName(name));
}

function lastName(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1);
}
