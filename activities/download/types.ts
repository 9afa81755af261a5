import type { PipelineInput } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';
import type { ArchivePart } from '../zip/virtual-file.ts';

type Source = Pick<PipelineInput, 'source' | 'archive'> & {
  /** Store prefix of the synthetic eyes, for `source: synthetic` only. */
  synthetic: string | null;
};

export interface DrawEyesArgs {
  /** `stages/synthetic/<key>`; the server's files are stored below `<prefix>/files/`. */
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
  /** The requested name: `train.zip.001`. */
  name: string;
  /** Bytes as the source states them; for progress only. */
  size: number;
}

export interface ListedFiles {
  /** Folder under `archives/`: `kaggle-diabetic-retinopathy-detection`, `synthetic-<key>`, `file-<hash>`, `http-<hash>`. */
  folder: string;
  /** Hash of the listing (names, sizes, dates); an input of the stage's key. */
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

export interface DownloadedPart extends ArchivePart {
  /** Bytes received over the network in this attempt; 0 when the part was already stored. */
  fetched: number;
  reused: boolean;
}

export interface DownloadLabelsArgs extends Source {
  folder: string;
  file: ListedFile;
  /** Name of the file in the store; `labels.csv` by default. */
  as?: string;
}

/** `labels.csv` in the store, unwrapped and checked: header `image,level`, grades 0–4, unique names. */
export interface DownloadedLabels extends Artifact {
  rows: number;
  /** Rows of each grade 0–4. */
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
  /** Draws the synthetic eyes and stores the archive's wrapped parts and labels below `<prefix>/files/`. Deterministic by seed. */
  drawEyes(args: DrawEyesArgs): Promise<DrawnEyes>;
}

export interface DownloadActivities {
  /** Lists the source and selects the parts and labels. Non-retryable on a missing part. */
  listFiles(args: ListFilesArgs): Promise<ListedFiles>;
  downloadPart(args: DownloadPartArgs): Promise<DownloadedPart>;
  downloadLabels(args: DownloadLabelsArgs): Promise<DownloadedLabels>;
}
