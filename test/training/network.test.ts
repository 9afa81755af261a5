import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { testNet } from '../../activities/caffe/inference-net.ts';
import { type NetOptions, probeNet, trainNet } from '../../activities/caffe/network.ts';
import { NetworkError, readTemplate } from '../../activities/caffe/network-template.ts';
import { type Message, printPrototxt } from '../../activities/caffe/prototxt.ts';

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

describe('a network that would reach for files, or run what is no layer', () => {
  const small = readFileSync(new URL('../../config/networks/small.prototxt', import.meta.url), 'utf8');
  const layer = (text: string) => `${small}\nlayer { name: "own" bottom: "pool" top: "own" ${text} }`;

  test.each([
    ['HDF5Output', 'hdf5_output_param { file_name: "/tmp/written" }'],
    ['HDF5Data', 'hdf5_data_param { source: "/etc/passwd" batch_size: 1 }'],
    ['Python', 'python_param { module: "os" layer: "system" param_str: "id" }'],
    ['ImageData', 'image_data_param { source: "/etc/passwd" }'],
    ['WindowData', 'window_data_param { source: "/etc/passwd" root_folder: "/" }'],
    ['MemoryData', 'memory_data_param { batch_size: 1 }'],
    ['DummyData', 'dummy_data_param { shape { dim: 1 } }'],
    ['Input', 'input_param { shape { dim: 1 } }'],
  ])('%s is refused with what may be used', (type, parameters) => {
    const message = `Expected layers that compute, got \`own\` of type ${type}: only these are run: Data, `;
    expect(() => readTemplate(layer(`type: "${type}" ${parameters}`))).toThrow(message);
    // Whatever phase it is in.
    expect(() => readTemplate(layer(`type: "${type}" include { phase: TEST } ${parameters}`))).toThrow(message);
  });

  test.each([
    ['the matrix of a loss', 'type: "InfogainLoss" infogain_loss_param { source: "/etc/passwd" }', 'source'],
    ['a mean of its own', 'type: "ReLU" transform_param { mean_file: "/etc/passwd" }', 'mean_file'],
    ['a parameter of another layer', 'type: "ReLU" hdf5_output_param { file_name: "/tmp/x" }', 'file_name'],
    [
      'deep within',
      'type: "Scale" scale_param { filler { type: "x" a { b { snapshot_prefix: "/tmp/x" } } } }',
      'snapshot_prefix',
    ],
  ])('so is %s', (_, text, field) => {
    expect(() => readTemplate(layer(text))).toThrow(`named by the network, got \`${field}\` in layer \`own\``);
  });

  test('so are two kinds of one layer, and a second source of data in either phase', () => {
    expect(() => readTemplate(layer('type: "ReLU" type: "HDF5Output"'))).toThrow(/Expected layers that compute/);
    for (const phase of ['TRAIN', 'TEST']) {
      const second = `type: "Data" top: "more" include { phase: ${phase} } data_param { source: "/var/lib/other" }`;
      expect(() => readTemplate(layer(second))).toThrow(`one layer of type Data in the ${phase} phase, got 2`);
    }
  });

  test('and signs that only Caffe knows are no values', () => {
    for (const text of ['a: < b: "x" >', 'a: 1\nb: >', 'a: $HOME']) {
      expect(() => readTemplate(text)).toThrow(/Expected a value, got/);
    }
  });

  test('what is in a file that is no network stays there', () => {
    const environ = 'KAGGLE_API_TOKEN=KGAT_3f9c2a77e1d84b06\0HOME=/root';
    for (const text of [environ, `password ${environ}`, 'root:$6$abc:19000:0:99999:7:::', `a: ${'s'.repeat(500)}!`])
      expect(() => readTemplate(text)).toThrow(/^Expected a Caffe network in text form; .*, got other text in line 1$/);
  });

  test('the database and the mean of a template are put aside, as they were', () => {
    const own = small.replace('scale: 0.0078125 }', 'scale: 0.0078125 mean_file: "/etc/passwd" }');
    const net = printPrototxt(trainNet(readTemplate(own.replace('source: "database"', 'source: "/etc/passwd"')), one));
    expect(net).toBe(printPrototxt(trainNet(readTemplate(small), one)));
  });
});
