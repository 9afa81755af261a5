/**
 * Builds the networks that the pipeline runs from a template, the network of one split in Caffe's own format. The databases hold
 * the grade 0–4. A Threshold layer at k + 0.5 derives the label of split k from it, so that all splits share one database.
 */
import { type Anatomy, bottoms, dissect, NetworkError, tops } from './network-template.ts';
import { type Message, message, word } from './prototxt.ts';

/** Paths of a net's files, relative to Caffe's working folder. Caffe's own files hold paths, so these must stay the same. */
export const FILES = {
  net: 'net.prototxt',
  solver: 'solver.prototxt',
  database: 'database',
  mean: 'mean.binaryproto',
  weights: 'weights.caffemodel',
  infogain: (k: number) => `infogain-${k}.binaryproto`,
  snapshot: (iteration: number, kind: 'caffemodel' | 'solverstate') => `snapshot/net_iter_${iteration}.${kind}`,
  snapshotPrefix: 'snapshot/net',
} as const;

/** Returns the files of a snapshot. */
export function pairFiles(iteration: number): [model: string, state: string] {
  return [FILES.snapshot(iteration, 'caffemodel'), FILES.snapshot(iteration, 'solverstate')];
}

/** Output of the test net that repeats the grade of each record. */
export const STAGE_OUTPUT = 'stage-echo';

/** Returns the output of the test net that holds P(grade ≤ k), P(grade > k) of each record. */
export function probabilityOutput(k: number): string {
  return `probability-${k}`;
}

export interface NetOptions {
  /** Thresholds k, one head each. */
  heads: readonly number[];
  /** Records per iteration. */
  batch: number;
  /** Weights the loss by class, with Infogain matrices in `FILES.infogain(k)`. */
  classWeights: boolean;
}

/** Builds the net of the training phase, which reads `FILES.database`. @throws NetworkError */
export function trainNet(template: Message, options: NetOptions): Message {
  const anatomy = dissect(template);
  return net(template, anatomy, trainLayers(anatomy, options, dataLayer(anatomy.data, options.batch, true)));
}

/**
 * Builds the same net with noise instead of a database, to test that Caffe accepts it before the machine has any data.
 * @param size side of the images in pixels
 */
export function probeNet(template: Message, options: NetOptions, size: number): Message {
  const anatomy = dissect(template);
  const crop = anatomy.data.message('transform_param')?.number('crop_size') ?? 0;
  if (crop > size) {
    throw new NetworkError(
      `Expected pictures of at least ${crop} pixels for the network's crop_size, got images.size ${size}: raise it, or use another network`,
    );
  }
  const side = crop || size;
  const noise = message({
    name: anatomy.data.string('name') ?? 'data',
    type: 'DummyData',
    top: tops(anatomy.data),
    dummy_data_param: {
      shape: [{ dim: [options.batch, 3, side, side] }, { dim: options.batch }],
      data_filler: [
        { type: 'gaussian', std: 1 },
        { type: 'constant', value: 0 },
      ],
    },
  });
  return net(template, anatomy, trainLayers(anatomy, options, noise));
}

/** Builds a net from layers, named after the template or, without a name, its last score. */
export function net(template: Message, anatomy: Anatomy, layers: readonly Message[]): Message {
  return message({ name: template.string('name') ?? anatomy.scores.at(-1)!, layer: [...layers] });
}

function trainLayers(anatomy: Anatomy, { heads, classWeights }: NetOptions, data: Message): Message[] {
  const layers = anatomy.layers.filter(layer => !isTopK(layer)).map(layer => layer.without('include', 'exclude'));
  const perHead = forEachHead(layers, new Set([anatomy.label, ...anatomy.scores]), heads, (layer, k) => {
    if (tops(layer).includes(headName(anatomy.label, k, heads)))
      return layer.with('threshold_param', message({ threshold: k + 0.5 }));
    if (classWeights && layer.string('type') === 'SoftmaxWithLoss') {
      // Caffe's Softmax loss has no class weights; the Infogain loss with a diagonal matrix is the weighted equivalent.
      return layer.with('type', 'InfogainLoss').with('infogain_loss_param', message({ source: FILES.infogain(k) }));
    }
    return layer;
  });
  return [data, ...perHead];
}

/**
 * Repeats for each head the layers that read or write a blob of `own`, and all that read their outputs. The heads share the trunk.
 * With a single head every name stays unchanged.
 */
export function forEachHead(
  layers: readonly Message[],
  own: ReadonlySet<string>,
  heads: readonly number[],
  change: (layer: Message, k: number) => Message = layer => layer,
): Message[] {
  const repeated = new Set(own);
  return layers.flatMap(layer => {
    if (![...tops(layer), ...bottoms(layer)].some(blob => repeated.has(blob))) return [layer];
    for (const top of tops(layer)) repeated.add(top);
    return heads.map(k => {
      const rename = (blob: string) => (repeated.has(blob) ? headName(blob, k, heads) : blob);
      let copy = layer.with('name', headName(layer.string('name') ?? 'layer', k, heads));
      for (const side of ['bottom', 'top']) {
        const blobs = copy.strings(side);
        if (blobs.length > 0) copy = copy.with(side, ...blobs.map(rename));
      }
      return change(copy, k);
    });
  });
}

/** Returns the name of a blob or layer of head k. */
export function headName(name: string, k: number, heads: readonly number[]): string {
  return heads.length === 1 ? name : `${name}-${k}`;
}

/** Finds layers to drop: top-k accuracy of two classes is always 1 for k > 1, and Caffe fails for k > 2. */
function isTopK(layer: Message): boolean {
  return layer.string('type') === 'Accuracy' && (layer.message('accuracy_param')?.number('top_k') ?? 1) > 1;
}

/** Builds the layer that reads `FILES.database`, with the crop and scale of the template. */
export function dataLayer(layer: Message, batch: number, training: boolean): Message {
  const own = transformOf(layer, training);
  const transform = own.all('mean_value').length > 0 ? own : own.with('mean_file', FILES.mean);
  return message({
    name: layer.string('name') ?? 'data',
    type: 'Data',
    top: tops(layer),
    transform_param: transform,
    data_param: { source: FILES.database, backend: word('LMDB'), batch_size: batch },
  });
}

/** Returns the transform of the Data layer, without the mean image. */
export function transformOf(layer: Message, training: boolean): Message {
  // Caffe mirrors at random in the TEST phase as well, so an inference net must not have `mirror`.
  return (layer.message('transform_param') ?? message({})).without('mean_file', ...(training ? [] : ['mirror']));
}
