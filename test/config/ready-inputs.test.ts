import { describe, expect, it } from 'vitest';
import blog from '../../config/blog-2015.json' with { type: 'json' };
import demo from '../../config/demo.json' with { type: 'json' };
import kaggle from '../../config/kaggle.json' with { type: 'json' };
import { resolveInput } from '../../config/resolve.ts';

/** Every file's meaning is also what a caller gets who gives nothing but the file. */
describe('the ready inputs', () => {
  it('demo: made-up eyes, small enough for a laptop', () => {
    const input = resolveInput(demo);
    expect(input).toEqual(resolveInput({}));
    expect(input).toMatchObject({
      source: 'synthetic',
      synthetic: { patients: 300, stages: 'even' },
      images: { size: 128, versions: ['a', 'r', 'fa', 'fr'] },
      folds: { unit: 'patient', validation: 0.25, test: 0.25 },
      training: { network: 'small', layout: 'four-networks' },
      until: 'regress',
    });
  });

  it('kaggle: the competition, split by patient', () => {
    const input = resolveInput(kaggle);
    expect(input).toEqual(resolveInput({ source: 'kaggle' }));
    expect(input).toMatchObject({
      source: 'kaggle',
      archive: {
        competition: 'diabetic-retinopathy-detection',
        name: 'train.zip',
        parts: 5,
        labels: 'trainLabels.csv',
      },
      images: { size: 256, fuzz: 0.15, shardSize: 256 },
      folds: { unit: 'patient' },
      training: {
        network: 'googlenet',
        epochs: 30,
        batch: 24,
        baseRate: 0.01,
        policy: { type: 'step', step: 33, gamma: 0.1 },
        segmentsPerEpoch: 12,
      },
    });
  });

  it('blog-2015: the same job, with the split of 2015 that leaks', () => {
    const input = resolveInput(blog);
    const records = 4 * 35_126;
    expect(input.folds.unit).toBe('record');
    expect(Math.round((input.folds.test * records) / 100)).toBe(20);
    expect(Math.round((input.folds.validation * records) / 100)).toBe(60);
    expect({ ...input, folds: null }).toEqual({ ...resolveInput(kaggle), folds: null });
  });
});
