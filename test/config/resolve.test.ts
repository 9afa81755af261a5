import { describe, expect, it } from 'vitest';
import { InputError, resolveInput } from '../../config/resolve.ts';

/** The lines that say what is wrong with an input. */
function problems(input: unknown): string[] {
  try {
    resolveInput(input);
    return [];
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return error.message.split('\n');
  }
}

describe('resolveInput', () => {
  it('takes the ready input of the source, and what is given over it', () => {
    const synthetic = resolveInput({});
    expect(synthetic).toMatchObject({ source: 'synthetic', images: { size: 128 }, training: { network: 'small' } });
    const kaggle = resolveInput({ source: 'kaggle', training: { epochs: 2 } });
    expect(kaggle).toMatchObject({ source: 'kaggle', training: { network: 'googlenet', epochs: 2, batch: 24 } });
    const folder = resolveInput({ source: 'file:/data' });
    expect(folder).toMatchObject({ images: { size: 256 }, folds: { validation: 0.15, test: 0.15 } });
  });

  it('replaces lists and rate policies whole', () => {
    const { images, training } = resolveInput({ images: { versions: ['a'] }, training: { policy: { type: 'fixed' } } });
    expect(images.versions).toEqual(['a']);
    expect(training.policy).toEqual({ type: 'fixed' });
  });

  it('gives an input that resolves to itself', () => {
    for (const source of ['synthetic', 'kaggle', 'file:/data', 'http://127.0.0.1:1/']) {
      const once = resolveInput({ source });
      expect(resolveInput(JSON.parse(JSON.stringify(once)))).toEqual(once);
    }
  });

  it.each([
    [{ training: { epochs: 0 } }, 'Expected `training.epochs` to be an integer from 1, got `0`'],
    [{ training: { epochs: 1.5 } }, 'Expected `training.epochs` to be an integer from 1, got `1.5`'],
    [{ training: { epochs: '5' } }, 'Expected `training.epochs` to be an integer from 1, got `5`'],
    [{ training: { epochs: 2000 } }, 'Expected `training.epochs` to be an integer up to 1000, got `2000`'],
    [{ training: { earlyStop: 0 } }, 'Expected `training.earlyStop` to be an integer from 1 or null, got `0`'],
    [{ training: { baseRate: 0 } }, 'Expected `training.baseRate` to be a number above 0, got `0`'],
    [{ training: { encoded: 'yes' } }, 'Expected `training.encoded` to be true or false or `auto`, got `yes`'],
    [{ training: null }, 'Expected `training` to be an object, got `null`'],
    [
      { training: { network: 'vgg' } },
      'Expected `training.network` to be `small`, `googlenet` or `file:PATH`, got `vgg`',
    ],
    [{ regression: { ridge: 'x' } }, 'Expected `regression.ridge` to be a number from 0 or `auto`, got `x`'],
    [{ folds: { unit: 'image' } }, 'Expected `folds.unit` to be `patient` or `record`, got `image`'],
    [
      { source: 'ftp://x' },
      'Expected `source` to be `synthetic`, `kaggle`, `file:DIR` or `http(s)://…`, got `ftp://x`',
    ],
    [{ until: 'end' }, 'Expected `until` to be `download`, `prepare`, `label`, `train` or `regress`, got `end`'],
    [{ images: { versions: ['a', 'x'] } }, 'Expected `images.versions.1` to be `a`, `r`, `fa` or `fr`, got `x`'],
    [{ images: { keepOriginals: 'yes' } }, 'Expected `images.keepOriginals` to be true or false, got `yes`'],
    [
      { training: { policy: { type: 'steps' } } },
      'Expected `training.policy.type` to be `fixed`, `step`, `multistep`, `exp`, `inv`, `poly` or `sigmoid`, got `steps`',
    ],
    [
      { training: { policy: { type: 'exp', gama: 1, gamma: 0.5 } } },
      'Expected a known field, got `training.policy.gama`: did you mean `gamma`?',
    ],
    [{ training: { epoch: 1 } }, 'Expected a known field, got `training.epoch`: did you mean `epochs`?'],
    [
      { colour: 1 },
      'Expected a known field, got `colour`: known are source, synthetic, archive, images, folds, training, regression, report, budget, retention, until',
    ],
    [{ budget: { limit: 0, perGpuHour: 1 } }, 'Expected `budget.limit` to be a number above 0, got `0`'],
    [{ budget: 5 }, 'Expected `budget` to be an object or null, got `5`'],
    [
      { budget: { limit: 1, perGpuHour: 1, limits: 1 } },
      'Expected a known field, got `budget.limits`: did you mean `limit`?',
    ],
    [[], 'Expected the input to be an object, got `[]`'],
    ['demo', 'Expected the input to be an object, got `demo`'],
  ])('refuses %j', (input, line) => {
    expect(problems(input)).toEqual([line]);
  });

  it.each([
    [
      { folds: { validation: 0.5, test: 0.4 } },
      'Expected `folds.validation` + `folds.test` to be below 0.9, got `0.9`',
    ],
    [{ images: { versions: ['a', 'a'] } }, 'Expected `images.versions` to name each version once, got `["a","a"]`'],
    [
      { archive: { entries: '^x$' } },
      'Expected `archive.entries` to be a pattern with digits (`\\d+`), got `^x$`: they name the patient',
    ],
    [
      { source: 'file:data' },
      'Expected `source` to be an absolute path after `file:`, got `file:data`: workers have folders of their own',
    ],
    [
      { training: { weights: 'file:data' } },
      'Expected `training.weights` to be an absolute path after `file:`, got `file:data`: workers have folders of their own',
    ],
  ])('refuses %j, which only the whole shows', (input, line) => {
    expect(problems(input)).toEqual([line]);
  });

  it('says why a pattern is none', () => {
    expect(problems({ archive: { entries: '(' } })[0]).toMatch(
      /^Expected `archive.entries` to be a regular expression, got `\(`: /,
    );
  });

  it('lists all that is wrong', () => {
    expect(problems({ training: { epochs: 0, batch: 0 }, folds: { validation: 2 }, x: 1 })).toEqual([
      'Expected `folds.validation` to be a number up to 0.8, got `2`',
      'Expected `training.epochs` to be an integer from 1, got `0`',
      'Expected `training.batch` to be an integer from 1, got `0`',
      expect.stringMatching(/^Expected a known field, got `x`/),
    ]);
  });
});
