/** Search attributes that the namespace must have before a run sets them. */
import type { NativeConnection } from '@temporalio/worker';
import { reasonOf } from '../lib/quote.ts';
import { SEARCH_ATTRIBUTES } from '../workflows/search-attributes.ts';

/** `INDEXED_VALUE_TYPE_…` of the service's API. */
const TYPES = { KEYWORD: 2, DOUBLE: 4 } as const;
type Operator = Pick<NativeConnection, 'operatorService'>;

/**
 * Adds to the namespace the search attributes of the runs that it lacks, and checks the types of the others.
 * @throws Error with a one-line message that says what to do, when one has another type or cannot be added
 */
export async function needSearchAttributes({ operatorService }: Operator, namespace: string): Promise<void> {
  const there = async () => (await operatorService.listSearchAttributes({ namespace })).customAttributes ?? {};
  const wanted = Object.values(SEARCH_ATTRIBUTES).map(({ name, type }) => ({
    ...{ name, word: type as keyof typeof TYPES, type: TYPES[type as keyof typeof TYPES] },
  }));
  const known = await there();
  const other = wanted.find(({ name, type }) => known[name] && known[name] !== type);
  if (other) {
    throw new Error(
      `Expected the search attribute ${other.name} of namespace ${namespace} to be of type ${titled(other.word)}, got another: unset RETINOPATHY_SEARCH_ATTRIBUTES, or replace it`,
    );
  }
  const missing = wanted.filter(({ name }) => !known[name]);
  if (missing.length === 0) return;
  try {
    await operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map(({ name, type }) => [name, type])),
    });
  } catch (error) {
    const now = await there();
    // Another worker that started at the same time may have added them.
    if (missing.every(({ name }) => now[name])) return;
    const all = missing.map(({ name, word }) => `--name ${name} --type ${titled(word)}`).join(' ');
    throw new Error(
      `Expected namespace ${namespace} to take the search attributes of RETINOPATHY_SEARCH_ATTRIBUTES, got: ${reasonOf(error)}. Add them by \`temporal operator search-attribute create ${all}\`, in Temporal Cloud on the page of the namespace`,
    );
  }
}

function titled(word: string): string {
  return word.charAt(0) + word.slice(1).toLowerCase();
}
