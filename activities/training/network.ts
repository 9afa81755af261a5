/**
 * Networks as the pipeline runs them, made from a template: the network of one split in Caffe's own form. The databases hold
 * the stage 0–4; a Threshold layer at k + 0.5 makes the label of split k from it, so that all splits share one database.
 */

import { type Anatomy, bottoms, dissect, NetworkError, tops } from './network-anatomy.ts';
import { type Message, message, word } from './prototxt.ts';

/** Where the files of a net lie, relative to the folder Caffe runs in: its own files hold paths, so these must stay the same. */
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

/** The output of the test net that repeats the stage each record holds. */
export const STAGE_OUTPUT = 'stage-echo';

/** The output of the test net with P(stage ≤ k), P(stage > k) of each record. */
export function probabilityOutput(k: number): string {
  return `probability-${k}`;
}

export interface NetOptions {
  /** Thresholds k, one head each. */
  heads: readonly number[];
  /** Records per iteration. */
  batch: number;
  /** Weigh the loss by class: with Infogain matrices in `FILES.infogain(k)`. */
  classWeights: boolean;
}

/** The net of the training phase, with its data from `FILES.database`. @throws NetworkError */
export function trainNet(template: Message, options: NetOptions): Message {
  const anatomy = dissect(template);
  return net(template, anatomy, trainLayers(anatomy, options, dataLayer(anatomy.data, options.batch, true)));
}

/**
 * The same net without a database, fed with noise: it shows whether Caffe accepts the net before there is any data on the machine.
 * @param size side of the pictures in pixels
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

/** The layers as a net with the template's name. */
export function net(template: Message, anatomy: Anatomy, layers: readonly Message[]): Message {
  return message({ name: template.string('name') ?? anatomy.scores.at(-1)!, layer: [...layers] });
}

function trainLayers(anatomy: Anatomy, { heads, classWeights }: NetOptions, data: Message): Message[] {
  const layers = anatomy.layers.filter(layer => !isTopK(layer)).map(layer => layer.without('include', 'exclude'));
  const perHead = forEachHead(layers, new Set([anatomy.label, ...anatomy.scores]), heads, (layer, k) => {
    if (tops(layer).includes(headName(anatomy.label, k, heads)))
      return layer.with('threshold_param', message({ threshold: k + 0.5 }));
    if (classWeights && layer.string('type') === 'SoftmaxWithLoss') {
      // Caffe's own Softmax loss knows no weights; the Infogain loss with a diagonal matrix is the same with them.
      return layer.with('type', 'InfogainLoss').with('infogain_loss_param', message({ source: FILES.infogain(k) }));
    }
    return layer;
  });
  return [data, ...perHead];
}

/**
 * Repeats for each head the layers that make one of `own`, and all that reads what they make. The trunk stays one.
 * With a single head every name stays as it is.
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

/** A blob or layer of head k. */
export function headName(name: string, k: number, heads: readonly number[]): string {
  return heads.length === 1 ? name : `${name}-${k}`;
}

/** Accuracy among the best k > 1 of two classes is always 1, and Caffe stops at k > 2. */
function isTopK(layer: Message): boolean {
  return layer.string('type') === 'Accuracy' && (layer.message('accuracy_param')?.number('top_k') ?? 1) > 1;
}

/** Records from `FILES.database`, cropped and scaled as the template says. */
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

/** What the Data layer does to a picture, beside taking the mean picture away. */
export function transformOf(layer: Message, training: boolean): Message {
  // Caffe mirrors at random in the TEST phase as well, so a judging net must not carry that.
  return (layer.message('transform_param') ?? message({})).without('mean_file', ...(training ? [] : ['mirror']));
}
