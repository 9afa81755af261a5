/** What is handed in: a stage for each picture that the sample submission names. Pure. */
import { fellowOf } from '../regression/features.ts';

/** Where a line's stage comes from: the networks, the fellow eye's stage, or the most frequent stage of the training fold. */
export type Origin = 'networks' | 'fellow' | 'majority';

export interface SubmittedEye {
  image: string;
  level: number;
  from: Origin;
}

/** The pictures of an archive, or the lines of a submission, are not those of the sample. */
export class SampleMismatch extends Error {
  override readonly name = 'SampleMismatch';
}

/** Names shown before the rest is only counted. */
const SHOWN = 3;

/**
 * @param what has the names, for the error: `test.zip`, `submission.csv`
 * @throws SampleMismatch when a name is missing, is there twice, or is none of the sample's
 */
export function checkNames(what: string, names: Iterable<string>, sample: readonly string[]): void {
  const wanted = new Set(sample);
  const seen = new Set<string>();
  const twice: string[] = [];
  const strange: string[] = [];
  for (const name of names) {
    if (seen.has(name)) twice.push(name);
    else if (!wanted.has(name)) strange.push(name);
    seen.add(name);
  }
  const missing = sample.filter(name => !seen.has(name));
  const wrong = [
    [missing, 'missing'],
    [strange, 'that the sample does not name'],
    [twice, 'there twice'],
  ] as const;
  const found = wrong.filter(([list]) => list.length > 0).map(([list, how]) => `${list.length} ${how} (${some(list)})`);
  if (found.length > 0) {
    throw new SampleMismatch(
      `Expected ${what} to hold the ${sample.length} pictures of the sample submission, got ${found.join(', ')}`,
    );
  }
}

/**
 * A line for every picture of the sample, in its order. One that the networks have not seen, because it was set aside, gets its fellow
 * eye's stage, which is the same in 87 % of the competition's patients; where both were set aside, the majority.
 * @param predicted stage of each picture that the networks have scored
 * @param majority most frequent stage of the training fold
 */
export function fillSubmission(
  sample: readonly string[],
  predicted: ReadonlyMap<string, number>,
  majority: number,
): SubmittedEye[] {
  return sample.map(image => {
    const own = predicted.get(image);
    if (own !== undefined) return { image, level: own, from: 'networks' };
    const fellow = predicted.get(fellowOf(image));
    return fellow === undefined
      ? { image, level: majority, from: 'majority' }
      : { image, level: fellow, from: 'fellow' };
  });
}

/** `image,level`, one line an eye. */
export function formatSubmission(eyes: readonly Pick<SubmittedEye, 'image' | 'level'>[]): string {
  return `image,level\n${eyes.map(({ image, level }) => `${image},${level}\n`).join('')}`;
}

function some(names: readonly string[]): string {
  return names.length > SHOWN ? `${names.slice(0, SHOWN).join(', ')}, …` : names.join(', ');
}
