/** The stage of each image from the stored labels. Pure. */
import { parse } from 'csv-parse/sync';

/** @param csv header `image,level`, checked when it was downloaded: levels 0–4, no name twice */
export function parseLabels(csv: Buffer): Map<string, number> {
  const rows = parse<Record<'image' | 'level', string>>(csv, {
    columns: true,
    bom: true,
    trim: true,
    skip_empty_lines: true,
  });
  return new Map(rows.map(({ image, level }) => [image, Number(level)]));
}
