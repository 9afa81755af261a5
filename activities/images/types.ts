import type { PipelineInput, Version } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';
import type { ArchivePart } from '../download/types.ts';

export interface OpenArchiveArgs {
  /** `stages/prepare/<key>`. */
  prefix: string;
  parts: ArchivePart[];
  labels: Artifact | null;
  archive: PipelineInput['archive'];
  images: PipelineInput['images'];
}

export interface OpenedArchive {
  /** `<prefix>/directory.json`: the pictures' entries in order of their offset. */
  directory: Artifact;
  pictures: number;
  shards: number;
  /** Uncompressed bytes of all pictures. */
  bytes: number;
  /** Entries set aside at once: hostile or duplicate names, no label. */
  quarantined: number;
  /** Labels that no entry belongs to. */
  labelsWithoutPicture: number;
}

export interface PrepareShardArgs {
  prefix: string;
  parts: ArchivePart[];
  directory: Artifact;
  images: PipelineInput['images'];
  /** Number of the shard from 0; it holds pictures `shard × shardSize` and on. */
  shard: number;
}

export interface PreparedShard {
  shard: number;
  /** `<prefix>/shard-000.tar` */
  tar: Artifact;
  /** `<prefix>/shard-000.index.json`, a `ShardIndex` */
  index: Artifact;
  /** `<prefix>/shard-000.originals.tar`, when they are kept. */
  originals: Artifact | null;
  /** `<prefix>/shard-000.quarantine.jsonl`; null when nothing was set aside. */
  quarantine: Artifact | null;
  entries: number;
  /** Uncompressed bytes read. */
  bytes: number;
  crcErrors: number;
  /** Pictures prepared; × versions PNGs were written. */
  pictures: number;
  quarantined: number;
  /** Seconds of work spent reading and inflating, summed over pictures; parallel work counts twice. */
  unzipSeconds: number;
  /** Likewise for decoding, trimming, resizing and encoding. */
  augmentSeconds: number;
  reused: boolean;
}

/** The index beside a shard: where each PNG lies in the tar, so that any picture can be read by one range. */
export interface ShardIndex {
  tar: string;
  pictures: IndexedPicture[];
}

export interface IndexedPicture {
  /** `10_left` */
  image: string;
  /** Stage 0–4 from the labels; null where there are none. */
  stage: number | null;
  /** Pixels of the JPEG as a viewer shows it: turned as its EXIF orientation says. */
  width: number;
  height: number;
  /** The eye's box within it. */
  crop: { left: number; top: number; width: number; height: number };
  /** Perceptual hash of the prepared picture, 64 hexadecimal digits; an older release made none. */
  hash?: string;
  /** Byte range of each version's PNG within the tar. */
  versions: Partial<Record<Version, { offset: number; size: number }>>;
}

/** A line of `quarantine.jsonl`. */
export interface QuarantinedEntry {
  entry: string;
  image: string | null;
  reason: string;
}

export interface CloseShardsArgs {
  prefix: string;
  images: PipelineInput['images'];
  archive: OpenedArchive;
  shards: PreparedShard[];
}

export interface ClosedShards {
  /** `<prefix>/quarantine.jsonl`, one `QuarantinedEntry` a line; empty where nothing was set aside. */
  quarantine: Artifact;
  quarantined: number;
}

export interface DrawAugmentationArgs {
  run: string;
  /** `stages/prepare/<key>` of a finished stage. */
  prefix: string;
  images: PipelineInput['images'];
}

/** Heartbeat details while a shard is made. */
export interface ShardProgress {
  shard: number;
  next: number;
  of: number;
}

export interface ImageActivities {
  /** Reads and checks the directory of the five parts, and stores it. */
  openArchive(args: OpenArchiveArgs): Promise<OpenedArchive>;
  /** Reads a shard's entries, checks each CRC, makes the versions and writes one tar with its index. */
  unzipAndAugment(args: PrepareShardArgs): Promise<PreparedShard>;
  /** Joins the quarantine lists. Non-retryable when more than `images.maxQuarantined` of the pictures are in it. */
  closeShards(args: CloseShardsArgs): Promise<ClosedShards>;
  /** Draws `runs/<run>/report/augmentation.png`: the first pictures of each stage in all their versions. */
  drawAugmentation(args: DrawAugmentationArgs): Promise<Artifact>;
}
