/**
 * The pipeline's input: one object with only optional fields for the caller. Missing fields come from the preset of the source,
 * then from the defaults below. The presets are `config/demo.json` for synthetic eyes and `config/kaggle.json` for the competition.
 */
import { z } from 'zod';
import { MAX_BASE_RATE, MAX_EPOCHS, STAGES, VERSIONS } from './stages.ts';

export { STAGES, type Stage, VERSIONS, type Version } from './stages.ts';

const share = z.number().min(0.01).max(0.8);

const ratePolicy = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('fixed') }),
  /** Multiplies the rate by `gamma` at every `step` percent of the run. */
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
/** Decay of the learning rate over the run; steps in percent of the whole run, as in DIGITS. */
export type RatePolicy = z.infer<typeof ratePolicy>;

const epochs = z.int().min(1).max(MAX_EPOCHS);
const baseRate = z.number().positive().max(MAX_BASE_RATE);
const classWeightsDecay = z.number().min(0).max(1);
const earlyStop = z.int().min(1).nullable();
const seed = z
  .int()
  .min(0)
  .max(2 ** 31 - 1);

/** Settings that may change during a training. All others shape the databases or the network. */
const fork = z.strictObject({
  /** The forked run, whose input supplies what is not given here. Without it, the input is complete by itself. */
  run: z.string().min(1).exactOptional(),
  /** 0–3. With four heads, any of them stands for all. */
  split: z.int().min(0).max(3),
  /** The fork starts after the end of this epoch. */
  epoch: epochs,
  /** `seed`: order of the databases, crops, mirrors and dropout of the epochs after the fork. */
  set: z.strictObject({
    /** Passes over the training records, those before the fork included. */
    epochs: epochs.exactOptional(),
    /** Learning rate, as `training.baseRate`. */
    baseRate: baseRate.exactOptional(),
    /** Decay of the rate, as `training.policy`. */
    policy: ratePolicy.exactOptional(),
    /** As `training.classWeightsDecay`. */
    classWeightsDecay: classWeightsDecay.exactOptional(),
    /** As `training.earlyStop`. */
    earlyStop: earlyStop.exactOptional(),
    /** Seed of the epochs after the fork. */
    seed: seed.exactOptional(),
  }),
});

export const pipelineInputSchema = z.strictObject({
  /** Source of the images: synthetic eyes, the competition, a folder with the parts, or a Kaggle-compatible server. */
  source: z
    .string()
    .regex(/^(synthetic|kaggle|file:.+|https?:\/\/.+)$/, {
      error: '`synthetic`, `kaggle`, `file:DIR` or `http(s)://…`',
    })
    .default('synthetic'),
  /** Only for `source: synthetic`. */
  synthetic: z
    .strictObject({
      /** Number of patients, two eyes each. */
      patients: z.int().min(20).max(50_000).default(300),
      /** Number of patients to skip before the first, so that two sets of the same seed share no patient. */
      first: z.int().min(0).exactOptional(),
      /** Seed of the drawing: the same seed gives the same eyes. */
      seed: z.int().min(0).default(1),
      /** `even`: grades mixed so that a small set has enough of each; `competition`: the real shares (73.5 % healthy). */
      stages: z.enum(['even', 'competition']).default('even'),
    })
    .prefault({}),
  /** The archive of images and its labels. */
  archive: z
    .strictObject({
      /** Name of the competition in its address at Kaggle. */
      competition: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]*$/)
        .default('diabetic-retinopathy-detection'),
      /** The zip that the parts are byte ranges of: `train.zip` means `train.zip.001`, `train.zip.002`, … */
      name: z
        .string()
        .regex(/^[\w.-]+$/)
        .default('train.zip'),
      /** Required number of parts. */
      parts: z.int().min(1).max(999).default(5),
      /** Entries that are images, as a regular expression of RE2's syntax; the first group of digits is the patient. */
      entries: z.string().min(1).default('^train/\\d+_(left|right)\\.jpeg$'),
      /** The file of labels (`image,level`), plain or in a one-entry zip; null where there is none. */
      labels: z.string().min(1).nullable().default('trainLabels.csv'),
      /** The sample submission (`image,level`) that names the images to score, plain or zipped. Only an archive to score has one. */
      sample: z.string().min(1).exactOptional(),
    })
    .prefault({}),
  /** Preparation of the images. */
  images: z
    .strictObject({
      /** Side of the square images in pixels. */
      size: z.int().min(32).max(1024).default(256),
      /** Color distance of the border trim, as ImageMagick's `-fuzz`: share of 255. */
      fuzz: z.number().min(0).max(0.9).default(0.15),
      /** Versions of each image: `a` as is, `r` rotated by 180°, `fa` mirrored left-right, `fr` rotated and mirrored. */
      versions: z
        .array(z.enum(VERSIONS))
        .min(1)
        .default([...VERSIONS]),
      /** `graham` also subtracts the local average color, as the competition's winner did; `none` is the pipeline of 2015. */
      enhance: z.enum(['none', 'graham']).default('none'),
      /** Images per shard. */
      shardSize: z.int().min(1).max(4096).default(256),
      /** Also write the JPEGs, in the same pass. */
      keepOriginals: z.boolean().default(false),
      /** Share of images that may be quarantined before the stage fails. */
      maxQuarantined: z.number().min(0).max(1).default(0.01),
    })
    .prefault({}),
  /** Assignment to training, validation and test fold. */
  folds: z
    .strictObject({
      /** `patient` keeps both eyes and all versions of a patient in one fold; `record` is the leaking shuffle of 2015. */
      unit: z.enum(['patient', 'record']).default('patient'),
      /** Share of the patients (or records) in the validation fold, which the regression is fitted on. */
      validation: share.default(0.15),
      /** Share of the patients (or records) in the test fold. Both shares together stay below 0.9. */
      test: share.default(0.15),
      /** Seed of the assignment to folds. */
      seed: z.int().min(0).default(1),
    })
    .prefault({}),
  /** Training of the networks. */
  training: z
    .strictObject({
      /** `small`, `googlenet`, or a template of your own as `file:PATH`. */
      network: z
        .string()
        .regex(/^(small|googlenet|file:.+)$/, { error: '`small`, `googlenet` or `file:PATH`' })
        .default('small'),
      /** Passes over the training records. */
      epochs: epochs.default(10),
      /** Records of one forward pass. */
      batch: z.int().min(1).max(1024).default(32),
      /** Batches whose gradients are added up before an update, to save memory. An iteration takes `batch` × `accumulate` records. */
      accumulate: z.int().min(1).max(1024).default(1),
      /** Learning rate at the start. */
      baseRate: baseRate.default(0.01),
      /** Decay of the learning rate over the run. */
      policy: ratePolicy.default({ type: 'step', step: 33, gamma: 0.1 }),
      /** Number of databases that an epoch is divided into. A segment trains on one of them, and completes wholly or not at all. */
      segmentsPerEpoch: z.int().min(1).max(1000).default(1),
      /** `four-networks` trains one network per split, `four-heads` one network with a head per split. */
      layout: z.enum(['four-networks', 'four-heads']).default('four-networks'),
      /** Records as PNG (smaller) or raw (faster to read); `auto` is encoded on a CPU, raw on a GPU. */
      encoded: z.union([z.boolean(), z.literal('auto')]).default('auto'),
      /** Weight the loss by the inverse frequency of each class. */
      classWeights: z.boolean().default(false),
      /** Factor per epoch on the class weights' distance from 1. Below 1, the classes return to their true shares. */
      classWeightsDecay: classWeightsDecay.default(1),
      /** Stop when the validation AUC has not risen for this many epochs; null trains to the end. */
      earlyStop: earlyStop.default(null),
      /** A caffemodel to start from, `file:PATH`; null starts from random weights. */
      weights: z
        .string()
        .regex(/^file:.+$/, { error: '`file:PATH` or null' })
        .nullable()
        .default(null),
      /** Seed of the record order, crops, mirrors, dropout and first weights. */
      seed: seed.default(1),
      /** Splits that train with other settings from an epoch on. A later fork overrides an earlier one. */
      forks: z.array(fork).min(1).exactOptional(),
    })
    .prefault({}),
  /** Regression of the predictions against the grade. */
  regression: z
    .strictObject({
      /** Strength of the ridge penalty; `auto` chooses it by patient-grouped cross-validation inside the validation fold. */
      ridge: z.union([z.number().min(0), z.literal('auto')]).default('auto'),
      /** Also use the fellow eye's four predictions. */
      fellowEye: z.boolean().default(false),
      /** Also use the spread over the versions of the image: the standard deviation of each of the four predictions. */
      spread: z.boolean().default(false),
      /** Tune the four thresholds for kappa on the validation fold; otherwise 0.5, 1.5, 2.5, 3.5. */
      tuneCuts: z.boolean().default(true),
    })
    .prefault({}),
  /** Content of the report. */
  report: z
    .strictObject({
      /** Show images in report.html. False omits them, as the competition's images may not be published. */
      pictures: z.boolean().default(true),
    })
    .prefault({}),
  /**
   * Limit of the GPU costs: `perGpuHour` for an hour of one GPU, `limit` for the whole run, both in `currency`, which is
   * text. No result depends on it: the same run resumes with another budget.
   */
  budget: z
    .strictObject({
      /** Currency of both amounts, as text. */
      currency: z.string().min(1).default('USD'),
      /** Price of an hour of one GPU, or of one core on a machine without a GPU. */
      perGpuHour: z.number().positive(),
      /** Most that all trainings of the run may spend together. */
      limit: z.number().positive(),
    })
    .nullable()
    .default(null),
  /** Data that a finished run still refers to. `retinopathy gc` removes what no run refers to. No result depends on it. */
  retention: z
    .strictObject({
      /** The parts as downloaded. */
      archives: z.boolean().default(true),
      /** The shards of prepared images. */
      images: z.boolean().default(true),
      /** Lists, folds and databases. */
      databases: z.boolean().default(true),
      /** `resumable`: the last two snapshots and the best of each training; `best`: only the networks behind the report; `none`: none. */
      snapshots: z.enum(['resumable', 'best', 'none']).default('resumable'),
    })
    .prefault({}),
  /** The last stage of the run. */
  until: z.enum(STAGES).default('regress'),
});

/** The input with every field filled in, as `runs/<id>/run.json` records it and the stages receive it. */
export type PipelineInput = z.output<typeof pipelineInputSchema>;
/** The input as a caller may give it: any part of it. */
export type PartialPipelineInput = z.input<typeof pipelineInputSchema>;
