import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';

type Source = Pick<PipelineInput, 'source' | 'archive'> & {
  /** Store prefix of the made-up eyes, for `source: synthetic` only. */
  synthetic: string | null;
};

export interface DrawEyesArgs {
  /** `stages/synthetic/<key>`: the server's files go below `<prefix>/files/`. */
  prefix: string;
  synthetic: PipelineInput['synthetic'];
  archive: PipelineInput['archive'];
}

export interface DrawnEyes {
  outputs: Record<string, Artifact>;
  counts: { patients: number; pictures: number; bytes: number };
}

export type ListFilesArgs = Source;

export interface ListedFile {
  /** The name asked for: `train.zip.001`. */
  name: string;
  /** Bytes as the source states them: for progress only. */
  size: number;
}

export interface ListedFiles {
  /** Folder under `archives/`: `kaggle-diabetic-retinopathy-detection`, `synthetic-<key>`, `file-<hash>`, `http-<hash>`. */
  folder: string;
  /** Hash of the listing (names, sizes, dates): input of the stage's key. */
  fingerprint: string;
  parts: ListedFile[];
  labels: ListedFile | null;
  /** The sample submission, where the archive has one. */
  sample?: ListedFile;
}

export interface DownloadPartArgs extends Source {
  folder: string;
  file: ListedFile;
}

/** A part of the archive: a byte range of a stored object that holds it (offset > 0 where a stored wrapper is kept). */
export interface ArchivePart {
  name: string;
  key: string;
  offset: number;
  /** Bytes of the part itself. */
  size: number;
  /** CRC-32C of the part itself. */
  crc32c: number;
}

export interface DownloadedPart extends ArchivePart {
  /** Bytes that crossed the wire in this attempt; 0 when the part was there already. */
  fetched: number;
  reused: boolean;
}

export interface DownloadLabelsArgs extends Source {
  folder: string;
  file: ListedFile;
  /** Its name in the store; `labels.csv` unless given. */
  as?: string;
}

/** `labels.csv` in the store, unwrapped and checked: header `image,level`, levels 0–4, no name twice. */
export interface DownloadedLabels extends Artifact {
  rows: number;
  /** Rows per stage 0–4. */
  stages: number[];
}

/** Heartbeat details of a download. */
export interface DownloadProgress {
  part: string;
  bytes: number;
  of: number;
  bytesPerSecond: number;
}

export interface EyeActivities {
  /** Draws the made-up eyes and stores the archive's wrapped parts and labels below `<prefix>/files/`. Deterministic by seed. */
  drawEyes(args: DrawEyesArgs): Promise<DrawnEyes>;
}

export interface DownloadActivities {
  /** Lists the source and picks the parts and labels. Non-retryable on a missing part. */
  listFiles(args: ListFilesArgs): Promise<ListedFiles>;
  downloadPart(args: DownloadPartArgs): Promise<DownloadedPart>;
  downloadLabels(args: DownloadLabelsArgs): Promise<DownloadedLabels>;
}
