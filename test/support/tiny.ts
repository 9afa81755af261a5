/** The smallest input that goes through every stage for real. */
export const TINY = {
  source: 'synthetic',
  synthetic: { patients: 40, seed: 3 },
  images: { size: 64, shardSize: 32 },
  folds: { validation: 0.3, test: 0.3 },
  training: { epochs: 2, batch: 16, segmentsPerEpoch: 2 },
} as const;

/** The same as options of the command line. */
export const TINY_OPTIONS = [
  ...['--set', 'synthetic.patients=40', '--set', 'synthetic.seed=3'],
  ...['--set', 'images.size=64', '--set', 'images.shardSize=32'],
  ...['--set', 'folds.validation=0.3', '--set', 'folds.test=0.3'],
  ...['--set', 'training.epochs=2', '--set', 'training.batch=16', '--set', 'training.segmentsPerEpoch=2'],
];
