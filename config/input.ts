/**
 * The pipeline's input: one object, every field optional for the caller. What is left out comes from the ready input of
 * its source (`config/demo.json` for made-up eyes, `config/kaggle.json` for the competition) and then from the defaults below.
 */
import { z } from 'zod';
import { STAGES, VERSIONS } from './stages.ts';

export { STAGES, type Stage, VERSIONS, type Version } from './stages.ts';

const share = z.number().min(0.01).max(0.8);

const ratePolicy = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('fixed') }),
  /** Multiplies the rate by `gamma` at every `step` per cent of the run. */
  z.strictObject({
    type: z.literal('step'),
    step: z.number().positive().max(100),
    gamma: z.number().positive().max(1),
  }),
  z.strictObject({
    type: z.literal('multistep'),
    steps: z.array(z.number().positive().max(100)).min(1),
    gamma: z.number().positive().max(1),
  }),
  z.strictObject({ type: z.literal('exp'), gamma: z.number().positive().max(1) }),
  z.strictObject({ type: z.literal('inv'), gamma: z.number().positive(), power: z.number().positive() }),
  z.strictObject({ type: z.literal('poly'), power: z.number().positive() }),
  z.strictObject({ type: z.literal('sigmoid'), step: z.number().positive().max(100), gamma: z.number().positive() }),
]);
/** How the learning rate falls over the run; steps in per cent of the whole run, as DIGITS writes them. */
export type RatePolicy = z.infer<typeof ratePolicy>;

const epochs = z.int().min(1).max(1000);
const baseRate = z.number().positive().max(10);
const classWeightsDecay = z.number().min(0).max(1);
const earlyStop = z.int().min(1).nullable();
const seed = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

/** What may change in the middle of a training: everything else is in the databases or in the form of the network. */
const fork = z.strictObject({
  /** The run that it is a fork of: its input goes under what is given here. Without, the input itself says all. */
  run: z.string().min(1).exactOptional(),
  /** 0 – 3; of four heads any is all. */
  split: z.int().min(0).max(3),
  /** From the end of this epoch on. */
  epoch: z.int().min(1).max(1000),
  /** `seed`: order of the databases, crops, mirrors and dropout of the epochs behind. */
  set: z.strictObject({
    epochs: epochs.exactOptional(),
    baseRate: baseRate.exactOptional(),
    policy: ratePolicy.exactOptional(),
    classWeightsDecay: classWeightsDecay.exactOptional(),
    earlyStop: earlyStop.exactOptional(),
    seed: seed.exactOptional(),
  }),
});

export const pipelineInputSchema = z.strictObject({
  /** Where the pictures come from: made-up eyes, the competition, a folder that holds the parts, or a Kaggle-compatible server. */
  source: z
    .string()
    .regex(/^(synthetic|kaggle|file:.+|https?:\/\/.+)$/, {
      error: '`synthetic`, `kaggle`, `file:DIR` or `http(s)://…`',
    })
    .default('synthetic'),
  /** Only for `source: synthetic`. */
  synthetic: z
    .strictObject({
      /** Patients, two eyes each. */
      patients: z.int().min(20).max(50_000).default(300),
      /** Patients passed over before the first: a second set of the same seed shares nobody with those. */
      first: z.int().min(0).exactOptional(),
      seed: z.int().min(0).default(1),
      /** `even`: stages mixed so that a small set has enough of each; `competition`: the real shares (73.5 % healthy). */
      stages: z.enum(['even', 'competition']).default('even'),
    })
    .prefault({}),
  archive: z
    .strictObject({
      competition: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]*$/)
        .default('diabetic-retinopathy-detection'),
      /** The zip whose byte ranges the parts are: `train.zip` means `train.zip.001`, `train.zip.002`, … */
      name: z
        .string()
        .regex(/^[\w.-]+$/)
        .default('train.zip'),
      /** How many parts there must be. */
      parts: z.int().min(1).max(999).default(5),
      /** Entries that are pictures; the first group of digits is the patient. */
      entries: z.string().min(1).default('^train/\\d+_(left|right)\\.jpeg$'),
      /** The file of labels (`image,level`), as it is or in a one-entry zip; null where there is none. */
      labels: z.string().min(1).nullable().default('trainLabels.csv'),
      /** The sample submission (`image,level`) that names the pictures to be scored, likewise; only an archive to score has one. */
      sample: z.string().min(1).exactOptional(),
    })
    .prefault({}),
  images: z
    .strictObject({
      /** Side of the square pictures in pixels. */
      size: z.int().min(32).max(1024).default(256),
      /** Colour distance of the border trim, as ImageMagick's `-fuzz`: share of 255. */
      fuzz: z.number().min(0).max(0.9).default(0.15),
      versions: z
        .array(z.enum(VERSIONS))
        .min(1)
        .default([...VERSIONS]),
      /** `graham` also takes the local average colour away, as the competition's winner did; `none` is the line of 2015. */
      enhance: z.enum(['none', 'graham']).default('none'),
      /** Pictures per shard. */
      shardSize: z.int().min(1).max(4096).default(256),
      /** Write the JPEGs as well, in the same pass. */
      keepOriginals: z.boolean().default(false),
      /** The share of pictures that may be quarantined before the stage fails. */
      maxQuarantined: z.number().min(0).max(1).default(0.01),
    })
    .prefault({}),
  folds: z
    .strictObject({
      /** `patient` keeps both eyes and all versions of a patient in one fold; `record` is the leaking shuffle of 2015. */
      unit: z.enum(['patient', 'record']).default('patient'),
      validation: share.default(0.15),
      test: share.default(0.15),
      seed: z.int().min(0).default(1),
    })
    .prefault({}),
  training: z
    .strictObject({
      /** `small`, `googlenet`, or a template of your own as `file:PATH`. */
      network: z
        .string()
        .regex(/^(small|googlenet|file:.+)$/, { error: '`small`, `googlenet` or `file:PATH`' })
        .default('small'),
      epochs: epochs.default(10),
      /** Records that the network sees at once. */
      batch: z.int().min(1).max(1024).default(32),
      /** Batches whose gradients are added up before the weights move, where memory is short: an iteration takes so many times `batch`. */
      accumulate: z.int().min(1).max(1024).default(1),
      baseRate: baseRate.default(0.01),
      policy: ratePolicy.default({ type: 'step', step: 33, gamma: 0.1 }),
      /** Databases an epoch is dealt into; a segment trains on one and happens wholly or not at all. */
      segmentsPerEpoch: z.int().min(1).max(1000).default(1),
      layout: z.enum(['four-networks', 'four-heads']).default('four-networks'),
      /** Records as PNG (smaller) or raw (faster to read); `auto` is encoded on a CPU, raw on a GPU. */
      encoded: z.union([z.boolean(), z.literal('auto')]).default('auto'),
      /** Weigh the loss by the inverse frequency of each class. */
      classWeights: z.boolean().default(false),
      /** What is left after each epoch of the weights' distance from 1: below 1 the classes return to their true shares. */
      classWeightsDecay: classWeightsDecay.default(1),
      /** Stop when the validation AUC has not risen for this many epochs; null trains to the end. */
      earlyStop: earlyStop.default(null),
      /** A caffemodel to start from, `file:PATH`; null starts from random weights. */
      weights: z
        .string()
        .regex(/^file:.+$/, { error: '`file:PATH` or null' })
        .nullable()
        .default(null),
      seed: seed.default(1),
      /** Splits that train with other settings from an epoch on, a later fork over an earlier one. */
      forks: z.array(fork).min(1).exactOptional(),
    })
    .prefault({}),
  regression: z
    .strictObject({
      /** Strength of the ridge penalty; `auto` chooses it by patient-grouped cross-validation inside the validation fold. */
      ridge: z.union([z.number().min(0), z.literal('auto')]).default('auto'),
      /** Also use the fellow eye's four predictions. */
      fellowEye: z.boolean().default(false),
      /** Also use how far the versions of the picture lie apart: the standard deviation of each of the four predictions. */
      spread: z.boolean().default(false),
      /** Tune the four cuts for kappa on the validation fold; otherwise 0.5, 1.5, 2.5, 3.5. */
      tuneCuts: z.boolean().default(true),
    })
    .prefault({}),
  report: z
    .strictObject({
      /** Show photographs in report.html; false leaves them out, as the competition's may not be published. */
      pictures: z.boolean().default(true),
    })
    .prefault({}),
  /**
   * What the graphics cards may cost: `perGpuHour` for an hour of one of them, `limit` for all of the run, both in `currency`, which is
   * text. No result depends on it: with another budget the same run goes on.
   */
  budget: z
    .strictObject({
      currency: z.string().min(1).default('USD'),
      perGpuHour: z.number().positive(),
      limit: z.number().positive(),
    })
    .nullable()
    .default(null),
  /** What a finished run still refers to; `retinopathy gc` removes what no run refers to. No result depends on it. */
  retention: z
    .strictObject({
      /** The parts as downloaded. */
      archives: z.boolean().default(true),
      /** The shards of prepared pictures. */
      images: z.boolean().default(true),
      databases: z.boolean().default(true),
      /** `resumable`: of each training the last two pairs and the best; `best`: the networks that gave the report; or none. */
      snapshots: z.enum(['resumable', 'best', 'none']).default('resumable'),
    })
    .prefault({}),
  until: z.enum(STAGES).default('regress'),
});

/** The input with every field filled in: what `runs/<id>/run.json` records and what the stages get. */
export type PipelineInput = z.output<typeof pipelineInputSchema>;
/** What a caller may give: any part of it. */
export type PartialPipelineInput = z.input<typeof pipelineInputSchema>;
