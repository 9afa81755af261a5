/** The text files of the label stage: folds.csv and, for DIGITS and others, the lists of the four splits. */
import { SPLITS, splitName } from '../regression/split-names.ts';
import type { FoldRow } from './folds.ts';
import { type DatabasePlan, isTrainingDatabase, parseRecord, TEST_DATABASE, VALIDATION_DATABASE } from './plan.ts';

/** `image,patient,level,fold`, and `version` at the end for `folds.unit: record`. */
export function formatFolds(rows: readonly FoldRow[]): string {
  const versions = rows.some(({ version }) => version !== null);
  const lines = rows.map(
    ({ image, patient, stage, fold, version }) =>
      `${image},${patient},${stage},${fold}${versions ? `,${version}` : ''}\n`,
  );
  return `image,patient,level,fold${versions ? ',version' : ''}\n${lines.join('')}`;
}

/**
 * `split-k/{train,val,test}.tsv`, a line `10_left.a.png<TAB>0` for each record in the order of the databases (label 1 where the stage
 * is above k), and `split-k/labels.txt`, whose line n is the name of label n from 0.
 */
export function splitLists({ databases }: DatabasePlan): Record<string, string> {
  const of = (belongs: (name: string) => boolean) =>
    Object.keys(databases)
      .filter(belongs)
      .flatMap(name => databases[name]!)
      .map(line => {
        const { stage } = parseRecord(line);
        return { file: line.slice(0, line.lastIndexOf(' ')), stage };
      });
  const records = {
    train: of(isTrainingDatabase),
    val: of(name => name === VALIDATION_DATABASE),
    test: of(name => name === TEST_DATABASE),
  };
  const lists: Record<string, string> = {};
  for (const k of SPLITS) {
    for (const [name, list] of Object.entries(records)) {
      lists[`split-${k}/${name}.tsv`] = list.map(({ file, stage }) => `${file}\t${stage > k ? 1 : 0}\n`).join('');
    }
    lists[`split-${k}/labels.txt`] = `${splitName(k).replace('/', '\n')}\n`;
  }
  return lists;
}
