import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { testNet } from '../../activities/training/judging-net.ts';
import { type NetOptions, probeNet, trainNet } from '../../activities/training/network.ts';
import { NetworkError, readTemplate } from '../../activities/training/network-anatomy.ts';
import { type Message, printPrototxt } from '../../activities/training/prototxt.ts';

function template(name: string): Message {
  return readTemplate(readFileSync(new URL(`../../config/networks/${name}.prototxt`, import.meta.url), 'utf8'));
}

const one: NetOptions = { heads: [1], batch: 32, classWeights: false };
const four: NetOptions = { heads: [0, 1, 2, 3], batch: 24, classWeights: true };

describe('golden files', () => {
  test.each([
    ['small-one-head-train', () => trainNet(template('small'), one)],
    ['small-one-head-test', () => testNet(template('small'), one)],
    ['small-four-heads-train', () => trainNet(template('small'), four)],
    ['small-four-heads-test', () => testNet(template('small'), four)],
    ['googlenet-one-head-train', () => trainNet(template('googlenet'), one)],
    ['googlenet-one-head-test', () => testNet(template('googlenet'), one)],
  ])('%s', async (name, make) => {
    await expect(printPrototxt(make())).toMatchFileSnapshot(`./fixtures/${name}.prototxt`);
  });
});

test('GoogLeNet has three losses in training, and only the last classifier judges', () => {
  const losses = (net: Message) => net.messages('layer').filter(layer => layer.string('type') === 'SoftmaxWithLoss');
  expect(losses(trainNet(template('googlenet'), one)).map(layer => layer.number('loss_weight'))).toEqual([
    0.3,
    0.3,
    undefined,
  ]);
  const judging = testNet(template('googlenet'), one);
  expect(losses(judging)).toEqual([]);
  expect(judging.messages('layer').map(layer => layer.string('name'))).not.toContain('loss1/conv');
});

test('a judging net neither mirrors nor reads labels', () => {
  const text = printPrototxt(testNet(template('small'), one));
  expect(text).not.toMatch(/mirror|Threshold|label/);
  expect(text).toContain('scale: 0.0078125 mean_file: "mean.binaryproto"');
});

test('a crop that is larger than the pictures is refused', () => {
  expect(() => probeNet(template('googlenet'), one, 128)).toThrow(/at least 224 pixels .* got images\.size 128/);
  expect(printPrototxt(probeNet(template('googlenet'), one, 256))).toContain('dim: 224');
});

const LAYERS = {
  data: 'layer { name: "d" type: "Data" top: "data" top: "stage" include { phase: TRAIN } }',
  testData: 'layer { name: "d" type: "Data" top: "data" top: "stage" include { phase: TEST } }',
  label: 'layer { name: "l" type: "Threshold" bottom: "stage" top: "label" }',
  score: 'layer { name: "s" type: "InnerProduct" bottom: "data" top: "score" inner_product_param { num_output: 2 } }',
  loss: 'layer { name: "x" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss" }',
  top5: 'layer { name: "t" type: "Accuracy" bottom: "score" bottom: "label" top: "t" accuracy_param { top_k: 5 } }',
};

describe("a user's own network", () => {
  const made = (layers: Partial<typeof LAYERS>) => readTemplate(Object.values({ ...LAYERS, ...layers }).join('\n'));

  test('is taken with data layers by phase, and loses its top-5 accuracy', () => {
    const net = trainNet(made({}), one);
    expect(net.messages('layer').map(layer => layer.string('name'))).toEqual(['d', 'l', 's', 'x']);
    expect(printPrototxt(net)).toContain('threshold: 1.5');
    expect(() => testNet(made({}), one)).not.toThrow();
  });

  test.each<[string, Partial<typeof LAYERS>, RegExp]>([
    ['no Threshold', { label: '' }, /^Expected a layer of type Threshold over `stage`.* got none: add layer/],
    [
      'a loss on the stage itself',
      { loss: `${LAYERS.loss} layer { name: "y" type: "SoftmaxWithLoss" bottom: "score" bottom: "stage" top: "z" }` },
      /only the Threshold layer to read `stage`, got `y` too/,
    ],
    ['a thousand outputs', { score: LAYERS.score.replace('2 }', '1000 }') }, /`score`.* num_output 2, got 1000/],
    ['one output', { score: LAYERS.score.replace('2 }', '1 }') }, /`score`.* num_output 2, got 1$/],
    [
      'a label that comes with the data',
      { label: '', loss: LAYERS.loss.replace('"label"', '"stage"') },
      /type Threshold/,
    ],
    [
      'a head whose loss is missing: the Threshold leads nowhere',
      { loss: LAYERS.loss.replace('SoftmaxWithLoss', 'EuclideanLoss') },
      /SoftmaxWithLoss layer that reads "label", got none/,
    ],
    ['no data', { data: '' }, /one layer of type Data in the TRAIN phase, got 0/],
    ['data without labels', { data: LAYERS.data.replace('top: "stage"', '') }, /two tops/],
    ['no loss', { loss: '' }, /SoftmaxWithLoss layer that reads "label", got none/],
    ['force_backward', { data: `force_backward: true ${LAYERS.data}` }, /without `force_backward`/],
    ['rules by stage', { top5: LAYERS.top5.replace('top: "t"', 'top: "t" include { stage: "val" }') }, /by phase only/],
    ['the old form of layers', { data: 'layers { type: DATA }' }, /upgrade_net_proto_text/],
    ['a broken file', { data: 'layer {' }, /^Expected a Caffe network in text form; Expected `}`/],
  ])('%s is refused', (_, layers, message) => {
    expect(() => trainNet(made(layers), one)).toThrow(NetworkError);
    expect(() => trainNet(made(layers), one)).toThrow(message);
  });
});
