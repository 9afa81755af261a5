/** The parts of a bundle that are made without a run. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { deployNet } from '../../activities/caffe/inference-net.ts';
import { readTemplate } from '../../activities/caffe/network-template.ts';
import { parsePrototxt } from '../../activities/caffe/prototxt.ts';
import type { ReadPrediction } from '../../activities/regression/tables.ts';
import { chooseEyes } from '../../inference/bundle/test-eyes.ts';
import { openCvMean } from '../../inference/bundle/write-bundle.ts';

const template = (name: string) =>
  readTemplate(readFileSync(new URL(`../../config/networks/${name}.prototxt`, import.meta.url), 'utf8'));

test('a net to be handed on takes pictures, has no label, and an answer for each head', () => {
  const { net, input } = deployNet(template('googlenet'), [0, 1, 2, 3], 256);
  const layers = net.messages('layer');
  const types = layers.map(layer => layer.string('type'));
  expect(types[0]).toBe('Input');
  expect(layers[0]!.message('input_param')!.message('shape')!.all('dim')).toEqual([1, 3, 224, 224]);
  for (const type of ['Data', 'Threshold', 'SoftmaxWithLoss', 'Accuracy', 'Power']) expect(types).not.toContain(type);
  expect(layers.slice(-4).map(layer => layer.string('top'))).toEqual([0, 1, 2, 3].map(k => `probability-${k}`));
  expect(input).toEqual({ crop: 224, scale: 1, meanValues: null });
});

test('without a crop the whole picture goes in; a mean colour stands for the mean picture', () => {
  expect(deployNet(template('small'), [2], 96).input).toEqual({ crop: 96, scale: 0.0078125, meanValues: null });
  const text = readFileSync(new URL('../../config/networks/small.prototxt', import.meta.url), 'utf8');
  const grey = parsePrototxt(
    text.replace('mirror: true', 'mirror: true mean_value: 104 mean_value: 117 mean_value: 123'),
  );
  expect(deployNet(grey, [2], 96).input.meanValues).toEqual([104, 117, 123]);
});

test('the mean picture for OpenCV holds every number to its last bit, the three colours of a pixel together', () => {
  const data = Float32Array.from([0.1, 1 / 3, 117, 1e-20, 255, 16777216, 3.4e38, -0.5, 2, 3, 4, 5]);
  const text = openCvMean({ num: 1, channels: 3, height: 2, width: 2, data: Array.from(data) });
  const numbers = /data: \[([^\]]*)\]/.exec(text)![1]!.split(',').map(Number);
  const planes = [0, 1, 2].flatMap(channel => [0, 1, 2, 3].map(pixel => numbers[pixel * 3 + channel]!));
  expect(Float32Array.from(planes)).toEqual(data);
  expect(() => openCvMean({ num: 1, channels: 1, height: 1, width: 1, data: [0] })).toThrow('Expected a mean picture');
});

test('test eyes are taken in turn from every stage there is', () => {
  const eye = (image: string, level: number, fold = 'test') => ({ image, level, fold }) as ReadPrediction;
  const eyes = [
    ...['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'].map(name => eye(name, 0)),
    ...[eye('x', 3), eye('y', 3), eye('z', 4, 'validation')],
  ];
  expect(chooseEyes(eyes).map(({ image }) => image)).toEqual(['a', 'x', 'b', 'y', 'c', 'd', 'e', 'f']);
  expect(chooseEyes(eyes.slice(0, 2)).map(({ image }) => image)).toEqual(['a', 'b']);
});
