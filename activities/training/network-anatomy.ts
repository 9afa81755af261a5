/** Finds the parts of a network's template that the pipeline has to know, and says what is wrong with one that lacks them. */
import { type Message, PrototxtError, parsePrototxt } from './prototxt.ts';

/** What is wrong with a network, for the person who wrote it. */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

export interface Anatomy {
  /** The Data layer of the training phase. */
  data: Message;
  /** The other layers of the training phase in order. */
  layers: Message[];
  /** The blob of stages 0–4 that the Data layer gives. */
  stage: string;
  /** The blob of labels 0 and 1 that the Threshold layer gives. */
  label: string;
  /** The two-valued blobs that losses compare with the label; the last one is the network's answer. */
  scores: string[];
}

/** @throws NetworkError */
export function readTemplate(text: string): Message {
  try {
    return parsePrototxt(text);
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

export function inPhase(layer: Message, phase: 'TRAIN' | 'TEST'): boolean {
  const phases = (rule: string) => layer.messages(rule).map(entry => entry.word('phase'));
  const include = phases('include');
  return (include.length === 0 || include.includes(phase)) && !phases('exclude').includes(phase);
}

/**
 * Takes a template of one split apart. A net without the Threshold would run: it corrupts memory with labels above 1, and may
 * still end as if all were well. So every use of the stage is checked here.
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
      `Expected a layer of type Threshold over \`${stage}\`, which holds the stage 0–4, got none: ` +
        `add layer { name: "label" type: "Threshold" bottom: "${stage}" top: "label" } and give the losses the bottom "label"`,
    );
  }
  for (const layer of layers) {
    if (layer !== threshold && bottoms(layer).includes(stage)) {
      throw new NetworkError(
        `Expected only the Threshold layer to read \`${stage}\`, got \`${layer.string('name')}\` too: give it the bottom "${label}"`,
      );
    }
  }

  const losses = layers.filter(
    layer => ['SoftmaxWithLoss', 'InfogainLoss'].includes(layer.string('type') ?? '') && bottoms(layer)[1] === label,
  );
  if (losses.length === 0) throw new NetworkError(`Expected a SoftmaxWithLoss layer that reads "${label}", got none`);
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
      `Expected \`${score}\`, which a loss reads, to come from an InnerProduct or Convolution with num_output 2, got ${outputs ?? 'none'}`,
    );
  }
}

function checkRules(layer: Message): void {
  for (const rule of [...layer.messages('include'), ...layer.messages('exclude')]) {
    if (rule.fields.some(([name]) => name !== 'phase')) {
      throw new NetworkError(
        `Expected \`${layer.string('name')}\` to be included by phase only, got a rule by ${rule.fields.map(([name]) => name).join(' and ')}`,
      );
    }
  }
}
