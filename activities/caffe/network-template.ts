/** Finds the parts of a network's template that the pipeline needs, and reports which are missing or forbidden. */
import { quote } from '../../lib/quote.ts';
import { Message, PrototxtError, parsePrototxt } from './prototxt.ts';

/** Problem of a network, worded for its author. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

export interface Anatomy {
  /** The Data layer of the training phase. */
  data: Message;
  /** The other layers of the training phase in order. */
  layers: Message[];
  /** Top of the Data layer that holds the grades 0–4. */
  stage: string;
  /** Top of the Threshold layer that holds the labels 0 and 1. */
  label: string;
  /** Blobs of two values that losses compare with the label; the last one is the network's output. */
  scores: string[];
}

/** Parses a template and checks it by `forbiddenIn`. @throws NetworkError */
export function readTemplate(text: string): Message {
  try {
    const template = parsePrototxt(text);
    const problem = forbiddenIn(template);
    if (problem !== undefined) throw new NetworkError(problem);
    return template;
  } catch (error) {
    if (error instanceof PrototxtError)
      throw new NetworkError(`Expected a Caffe network in text form; ${error.message}`);
    throw error;
  }
}

export function tops(layer: Message): string[] {
  return layer.strings('top');
}

export function bottoms(layer: Message): string[] {
  return layer.strings('bottom');
}

/**
 * Parses the template of one split into its parts. Caffe runs a net without the Threshold layer, but labels above 1 corrupt its
 * memory, and it may still report success. So every use of the grade is checked here.
 * @throws NetworkError
 */
export function dissect(template: Message): Anatomy {
  if (template.messages('layers').length > 0)
    throw new NetworkError(
      'Expected layers of the form `layer { type: "…" }`, got the old `layers { type: … }`: run upgrade_net_proto_text on it',
    );
  if (template.all('force_backward').some(value => value === true))
    throw new NetworkError(
      'Expected a network without `force_backward`, got it: the Threshold layer has no backward pass',
    );
  const all = template.messages('layer');
  for (const layer of all) checkRules(layer);
  const layers = all.filter(layer => inPhase(layer, 'TRAIN'));

  const sources = layers.filter(layer => layer.string('type') === 'Data');
  const [data] = sources;
  if (data === undefined || sources.length > 1)
    throw new NetworkError(`Expected one layer of type Data in the TRAIN phase, got ${sources.length}`);
  const [image, stage] = tops(data);
  if (image === undefined || stage === undefined)
    throw new NetworkError('Expected the Data layer to have two tops, the picture and its stage 0–4, got fewer');

  const threshold = layers.find(layer => layer.string('type') === 'Threshold' && bottoms(layer).includes(stage));
  const label = threshold && tops(threshold)[0];
  if (label === undefined) {
    throw new NetworkError(
      `Expected a layer of type Threshold over \`${quote(stage)}\`, which holds the stage 0–4, got none: ` +
        `add layer { name: "label" type: "Threshold" bottom: "${quote(stage)}" top: "label" } and give the losses the bottom "label"`,
    );
  }
  for (const layer of layers) {
    if (layer !== threshold && bottoms(layer).includes(stage)) {
      throw new NetworkError(
        `Expected only the Threshold layer to read \`${quote(stage)}\`, got \`${quote(layer.string('name'))}\` too: give it the bottom "${quote(label)}"`,
      );
    }
  }

  const losses = layers.filter(
    layer => ['SoftmaxWithLoss', 'InfogainLoss'].includes(layer.string('type') ?? '') && bottoms(layer)[1] === label,
  );
  if (losses.length === 0)
    throw new NetworkError(`Expected a SoftmaxWithLoss layer that reads "${quote(label)}", got none`);
  const scores = losses.map(loss => bottoms(loss)[0]!);
  for (const score of scores) checkScore(layers, score);
  return { data, layers: layers.filter(layer => layer !== data), stage, label, scores };
}

function checkScore(layers: readonly Message[], score: string): void {
  const maker = layers.findLast(
    layer => tops(layer).includes(score) && ['InnerProduct', 'Convolution'].includes(layer.string('type') ?? ''),
  );
  const parameter = maker?.message('inner_product_param') ?? maker?.message('convolution_param');
  const outputs = parameter?.number('num_output');
  if (maker === undefined || outputs !== 2) {
    throw new NetworkError(
      `Expected \`${quote(score)}\`, which a loss reads, to come from an InnerProduct or Convolution with num_output 2, got ${outputs ?? 'none'}`,
    );
  }
}

function checkRules(layer: Message): void {
  for (const rule of [...layer.messages('include'), ...layer.messages('exclude')]) {
    if (rule.fields.some(([name]) => name !== 'phase')) {
      throw new NetworkError(
        `Expected \`${quote(layer.string('name'))}\` to be included by phase only, got a rule by ${quote(rule.fields.map(([name]) => name).join(' and '))}`,
      );
    }
  }
}

/*
 * Allowed content of a third-party network. Caffe has layers that read and write any file or run Python, with the rights of the
 * worker. So layer types and text fields are allowlists, not denylists.
 */

/** Layers that only compute, and `Data`, which the pipeline replaces by a layer with its own database. */
const LAYERS = new Set([
  ...['Data', 'Threshold', 'Accuracy', 'SoftmaxWithLoss', 'InfogainLoss', 'SigmoidCrossEntropyLoss', 'EuclideanLoss'],
  ...['HingeLoss', 'MultinomialLogisticLoss', 'ContrastiveLoss', 'Softmax', 'ArgMax', 'Silence'],
  ...['Convolution', 'Deconvolution', 'Im2col', 'InnerProduct', 'Embed', 'LSTM', 'RNN', 'Pooling', 'SPP', 'LRN', 'MVN'],
  ...['BatchNorm', 'Bias', 'Scale', 'Dropout', 'AbsVal', 'BNLL', 'Clip', 'ELU', 'Exp', 'Log', 'Power', 'PReLU', 'ReLU'],
  ...['Sigmoid', 'Swish', 'TanH', 'BatchReindex', 'Concat', 'Crop', 'Eltwise', 'Filter', 'Flatten', 'Parameter'],
  ...['Reduction', 'Reshape', 'Slice', 'Split', 'Tile'],
]);
/** Fields whose text names blobs, layers, parameters and kinds of noise, never files. */
const NAMES = new Set(['name', 'type', 'bottom', 'top', 'stage', 'not_stage']);
/** Text fields of a Data layer that the pipeline drops. */
const OF_DATA = new Set(['source', 'mean_file']);
const MAX_LAYERS = 2_000;

/** Returns the problem of a template, worded for its author, or undefined if Caffe may run it. */
export function forbiddenIn(template: Message): string | undefined {
  const layers = template.messages('layer');
  if (layers.length > MAX_LAYERS) return `Expected at most ${MAX_LAYERS} layers, got ${layers.length}`;
  for (const phase of ['TRAIN', 'TEST'] as const) {
    const sources = layers.filter(layer => isData(layer) && inPhase(layer, phase));
    if (sources.length > 1) return `Expected one layer of type Data in the ${phase} phase, got ${sources.length}`;
  }
  for (const layer of layers) {
    const types = layer.all('type');
    const [type] = types;
    if (types.length !== 1 || typeof type !== 'string' || !LAYERS.has(type)) {
      return `Expected layers that compute, got \`${quote(layer.string('name'))}\` of type ${quote(type)}: only these are run: ${[...LAYERS].join(', ')}`;
    }
    const field = textIn(layer, isData(layer));
    if (field !== undefined) {
      return `Expected no file to be named by the network, got \`${quote(field)}\` in layer \`${quote(layer.string('name'))}\`: leave it out`;
    }
  }
  return undefined;
}

/** Returns the first field whose text is not a name. */
function textIn(message: Message, data: boolean): string | undefined {
  for (const [name, value] of message.fields) {
    if (value instanceof Message) {
      const inner = textIn(value, data);
      if (inner !== undefined) return inner;
    } else if (typeof value === 'string' && !NAMES.has(name) && !(data && OF_DATA.has(name))) return name;
  }
  return undefined;
}

const isData = (layer: Message) => layer.string('type') === 'Data';

export function inPhase(layer: Message, phase: 'TRAIN' | 'TEST'): boolean {
  const phases = (rule: string) => layer.messages(rule).map(entry => entry.word('phase'));
  const include = phases('include');
  return (include.length === 0 || include.includes(phase)) && !phases('exclude').includes(phase);
}
