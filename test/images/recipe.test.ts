import { expect, test } from 'vitest';
import { pipelineInputSchema } from '../../config/input.ts';
import { PNG, shardParameters } from '../../config/stages.ts';
import { contentKey } from '../../storage/content-key.ts';

const input = pipelineInputSchema.parse({});
const inputs = { 'train.zip.001': '7/1000' };

function keyOf(over: { images?: object; entries?: string; recipe?: number; inputs?: Record<string, string> } = {}) {
  const { images = {}, entries = input.archive.entries } = over;
  const parameters = shardParameters({
    images: { ...input.images, ...images },
    archive: { ...input.archive, entries },
  });
  return contentKey({ stage: 'prepare', recipe: over.recipe ?? 1, inputs: over.inputs ?? inputs, parameters });
}

/** What of `images` changes the files: a field that is new must be put on one side or the other. */
const SHAPING = {
  size: 512,
  fuzz: 0.1,
  versions: ['a'],
  enhance: 'graham',
  shardSize: 100,
  keepOriginals: true,
};
const OTHER = { maxQuarantined: 0.5 };

test('every field of images is known to change the shards, or not to', () => {
  expect(Object.keys({ ...SHAPING, ...OTHER }).sort()).toEqual(Object.keys(input.images).sort());
});

test.each(Object.entries(SHAPING))('images.%s is part of the key of the shards', (name, value) => {
  expect(keyOf({ images: { [name]: value } })).not.toBe(keyOf());
});

test.each(Object.entries(OTHER))('images.%s is not: finished shards are found again', (name, value) => {
  expect(keyOf({ images: { [name]: value } })).toBe(keyOf());
});

test('so are the order of the versions, the pattern of the entries, the recipe and the bytes of the archive', () => {
  const versions = input.images.versions.toReversed();
  const keys = [
    keyOf(),
    keyOf({ images: { versions } }),
    keyOf({ entries: '^test/\\d+' }),
    keyOf({ recipe: 2 }),
    keyOf({ inputs: { 'train.zip.001': '8/1000' } }),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test.each(Object.keys(PNG))('so is the way the PNGs are written: %s', name => {
  const parameters = shardParameters(input);
  expect(parameters.png).toEqual(PNG);
  const changed = { ...parameters, png: { ...parameters.png, [name]: 'another' } };
  const key = (given: typeof changed) => contentKey({ stage: 'prepare', recipe: 1, inputs, parameters: given });
  expect(key(changed)).not.toBe(key(parameters));
});

test('nothing else of the input reaches the key', () => {
  const other = pipelineInputSchema.parse({
    source: 'kaggle',
    archive: { competition: 'another', parts: 7 },
    folds: { seed: 9, unit: 'record' },
    training: { epochs: 99, network: 'googlenet' },
    regression: { ridge: 1 },
    until: 'prepare',
  });
  expect(shardParameters(other)).toEqual(shardParameters(input));
});
