/** Builds inference nets from the training template: one that reads a database, and a standalone one for other programs. */
import { quote } from '../../lib/quote.ts';
import {
  dataLayer,
  forEachHead,
  headName,
  type NetOptions,
  net,
  probabilityOutput,
  STAGE_OUTPUT,
  transformOf,
} from './network.ts';
import { bottoms, dissect, inPhase, NetworkError, tops } from './network-template.ts';
import { type Message, message } from './prototxt.ts';

/** Preprocessing of a prepared image for a net of `deployNet`: `(image − mean) · scale`, cropped from the center. */
export interface PictureInput {
  /** Side of the square that the net sees, in pixels. */
  crop: number;
  scale: number;
  /** Blue, green and red subtracted from every pixel instead of the mean image; null if the mean image is subtracted. */
  meanValues: number[] | null;
}

/**
 * Builds the net that evaluates a database. It has no losses, and no layers that only losses need. It outputs a Softmax for each
 * head, and the grade of each record, which proves that the probabilities are in the order of the database.
 * @throws NetworkError
 */
export function testNet(template: Message, { heads, batch }: NetOptions): Message {
  const { anatomy, data, stage, layers } = judgingParts(template, heads);
  return net(template, anatomy, [
    dataLayer(data, batch, false),
    ...layers,
    message({ name: STAGE_OUTPUT, type: 'Power', bottom: stage, top: STAGE_OUTPUT }),
  ]);
}

/**
 * Builds the same net without a database, for programs that pass it images: `1 × 3 × crop × crop`, blue first.
 * @param size side of the prepared images in pixels
 * @throws NetworkError
 */
export function deployNet(
  template: Message,
  heads: readonly number[],
  size: number,
): { net: Message; input: PictureInput } {
  const { anatomy, data, image, layers } = judgingParts(template, heads);
  const transform = transformOf(data, false);
  const crop = transform.number('crop_size') || size;
  const values = transform.all('mean_value').filter(value => typeof value === 'number');
  const shape = message({ dim: [1, 3, crop, crop] });
  return {
    net: net(template, anatomy, [
      message({ name: data.string('name') ?? 'data', type: 'Input', top: image, input_param: { shape } }),
      ...layers.map(layer => layer.without('param')),
    ]),
    input: {
      crop,
      scale: transform.number('scale') ?? 1,
      meanValues: values.length === 0 ? null : [0, 1, 2].map(channel => values[channel] ?? values[0]!),
    },
  };
}

/** Returns the Data layer of the TEST phase with its tops, and the layers from the image to the probabilities. */
function judgingParts(template: Message, heads: readonly number[]) {
  const anatomy = dissect(template);
  const main = anatomy.scores.at(-1)!;
  const all = template.messages('layer').filter(layer => inPhase(layer, 'TEST'));
  const data = all.find(layer => layer.string('type') === 'Data') ?? anatomy.data;
  const needed = new Set([main]);
  const kept: Message[] = [];
  for (const layer of all.filter(candidate => candidate !== data).reverse()) {
    if (!tops(layer).some(top => needed.has(top))) continue;
    kept.unshift(layer.without('include', 'exclude'));
    for (const bottom of bottoms(layer)) needed.add(bottom);
  }
  if (!kept.some(layer => tops(layer).includes(main)))
    throw new NetworkError(
      `Expected the network to have \`${quote(main)}\` in the TEST phase too, got it only in TRAIN`,
    );
  const [image, stage] = tops(data);
  if (image === undefined || stage === undefined || needed.has(stage))
    throw new NetworkError(
      `Expected the scores \`${quote(main)}\` not to be made from the stage of the record, got that`,
    );
  const probabilities = heads.map(k =>
    message({
      name: probabilityOutput(k),
      type: 'Softmax',
      bottom: headName(main, k, heads),
      top: probabilityOutput(k),
    }),
  );
  return { anatomy, data, image, stage, layers: [...forEachHead(kept, new Set([main]), heads), ...probabilities] };
}
