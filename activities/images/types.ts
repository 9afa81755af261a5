import type { PipelineInput, Version } from '../../config/input.ts';
import type { Artifact } from '../../storage/store.ts';
import type { ArchivePart } from '../zip/virtual-file.ts';

export interface OpenArchiveArgs {
  /** `stages/prepare/<key>`. */
  prefix: string;
  parts: ArchivePart[];
  labels: Artifact | null;
  archive: PipelineInput['archive'];
  images: PipelineInput['images'];
}

export interface OpenedArchive {
  /** `<prefix>/directory.json`: the images' entries in order of their offset. */
  directory: Artifact;
  pictures: number;
  shards: number;
  /** Uncompressed bytes of all images. */
  bytes: number;
  /** Entries quarantined before they are read: hostile or duplicate names, no label. */
  quarantined: number;
  /** Other files beside the images, which are ignored. */
  ignored: number;
  /** Labels without an entry. */
  labelsWithoutPicture: number;
}

export interface PrepareShardArgs {
  prefix: string;
  parts: ArchivePart[];
  directory: Artifact;
  images: PipelineInput['images'];
  /** Number of the shard, from 0. It holds up to `shardSize` images from number `shard × shardSize`. */
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
  /** `<prefix>/shard-000.quarantine.jsonl`; null when nothing was quarantined. */
  quarantine: Artifact | null;
  entries: number;
  /** Uncompressed bytes read. */
  bytes: number;
  crcErrors: number;
  /** Images prepared. Each gives one PNG per version. */
  pictures: number;
  quarantined: number;
  /** Seconds of reading and inflating, summed over images; parallel work counts twice. */
  unzipSeconds: number;
  /** Seconds of decoding, trimming, resizing and encoding, summed in the same way. */
  augmentSeconds: number;
  reused: boolean;
}

/** The index beside a shard. It holds the location of each PNG in the tar, so that one ranged read returns any image. */
export interface ShardIndex {
  tar: string;
  pictures: IndexedPicture[];
}

export interface IndexedPicture {
  /** `10_left` */
  image: string;
  /** Grade 0–4 from the labels; null where there are none. */
  stage: number | null;
  /** Pixels of the JPEG as a viewer shows it, in its EXIF orientation. */
  width: number;
  height: number;
  /** Bounding box of the eye within it. */
  crop: { left: number; top: number; width: number; height: number };
  /** Perceptual hash of the prepared image, 64 hexadecimal digits. */
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
  parts: ArchivePart[];
  images: PipelineInput['images'];
  archive: OpenedArchive;
  shards: PreparedShard[];
}

export interface ClosedShards {
  /** `<prefix>/quarantine.jsonl`, one `QuarantinedEntry` per line; empty where nothing was quarantined. */
  quarantine: Artifact;
  quarantined: number;
}

export interface DrawAugmentationArgs {
  run: string;
  /** `stages/prepare/<key>` of a finished stage. */
  prefix: string;
  images: PipelineInput['images'];
}

/** Heartbeat details while a shard is prepared. */
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
  /** Joins the quarantine lists. Non-retryable when more than `images.maxQuarantined` of the images are in them. */
  closeShards(args: CloseShardsArgs): Promise<ClosedShards>;
  /** Draws `runs/<run>/report/augmentation.png`: the first images of each grade in all their versions. */
  drawAugmentation(args: DrawAugmentationArgs): Promise<Artifact>;
}
