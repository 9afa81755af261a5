/** Formats an explanation as tables and as JSON. Pure. */
import colors from 'picocolors';
import { splitName } from '../../config/grades.ts';
import type { Explanation, SplitEpochs } from '../../inference/explain/explain-eye.ts';
import type { EyesWay } from '../../inference/explain/lineage.ts';
import { bytes, table, whole } from '../../lib/format.ts';
import { NOT_A_DEVICE } from './prediction-tables.ts';

/** Returns the object that `--json` prints. Of the maps, it has the largest fall and rise instead of the pixels. */
export function figuresOf({ run, way, splits, final, occlusion }: Explanation): object {
  const maps = occlusion && {
    ...{ version: occlusion.version, grid: occlusion.grid, patch: occlusion.patch, places: occlusion.places },
    maps: occlusion.maps.map(({ k, p, map }) => ({
      ...{ k, p },
      largestFall: map.reduce((most, value) => Math.max(most, value), 0),
      largestRise: -map.reduce((most, value) => Math.min(most, value), 0),
    })),
  };
  return { schemaVersion: 1, run, ...way, splits, final, occlusion: maps };
}

export function explanationLines({ way, splits, final }: Explanation): string[] {
  const sections: [string, string[]][] = [
    [`${way.image}: its way`, wayLines(way)],
    ['the four predictions by epoch', epochLines(splits)],
    [`the stage${final.version === null ? '' : `, of version ${final.version}`}`, stageLines(final)],
  ];
  const notes = [
    ...(final.from === 'scored now'
      ? ['The networks were trained on this eye: what they say of it proves nothing.']
      : []),
    NOT_A_DEVICE,
  ];
  return [
    ...sections.flatMap(([title, lines]) => [`  ${colors.bold(title)}`, ...lines.map(line => `  ${line}`), '']),
    ...notes.map(note => colors.dim(`  ${note}`)),
  ];
}

function wayLines({ archive, photograph, shard, patient, level, folds, records }: EyesWay): string[] {
  const { crop } = photograph;
  const held = { true: ', which the bytes have', false: ', which the bytes do NOT have', null: '' };
  const parts = archive.parts.map(
    ({ name, offset, length }) => `${name} bytes ${whole(offset)} to ${whole(offset + length - 1)}`,
  );
  const pngs = Object.entries(shard.versions).map(([version, { offset, size }]) => `${version} ${offset}+${size}`);
  return rows([
    ['entry', `${archive.entry}, ${bytes(archive.size)}, ${bytes(archive.compressedSize)} packed`],
    ['archive', parts.length > 0 ? parts.join(', then ') : 'no longer in the store'],
    ['CRC-32', `${archive.crc32}${held[`${archive.crcHolds}`]}`],
    ['photograph', `${photograph.width}x${photograph.height} pixels`],
    ['crop', `${crop.width}x${crop.height} from ${crop.left},${crop.top}`],
    ['shard', `${shard.tar}, picture ${shard.position + 1} of ${shard.pictures}`],
    ['PNGs in it', `${pngs.join(', ')} (offset+bytes)`],
    ['patient', `${patient}, graded ${level}`],
    ['fold', folds.map(({ version, fold }) => (version === null ? fold : `${version}: ${fold}`)).join(', ')],
    [
      'records',
      records.map(({ version, database, record }) => `${version}: ${database} ${record}`).join(', ') || 'none',
    ],
  ]);
}

function epochLines(splits: readonly SplitEpochs[]): string[] {
  const epochs = Math.max(...splits.map(split => split.epochs.length));
  const lines = table([
    ['epoch', ...splits.flatMap(({ k }) => [`P(>${k})`, 'AUC'])],
    ...Array.from({ length: epochs }, (_, n) => [
      String(n + 1),
      ...splits.flatMap(({ best, epochs }) => {
        const at = epochs[n];
        if (!at) return ['', ''];
        return [at.p === null ? '-' : `${at.epoch === best ? '*' : ''}${at.p.toFixed(4)}`, at.auc?.toFixed(4) ?? '-'];
      }),
    ]),
  ]);
  const gone = splits.map(
    ({ k, epochs }) => [k, epochs.filter(({ p }) => p === null).map(({ epoch }) => epoch)] as const,
  );
  const missing = gone.flatMap(([k, epochs]) => (epochs.length > 0 ? [`P(>${k}) of ${epochs.join(', ')}`] : []));
  return [
    ...lines,
    colors.dim('*: the epoch of the highest AUC on the validation fold, whose P counts'),
    ...(missing.length > 0
      ? [
          colors.dim(
            `-: the snapshot is no longer in the store, which keeps the last two and the best: ${missing.join('; ')}`,
          ),
        ]
      : []),
  ];
}

function stageLines({ features, intercept, expected, cuts, predicted, fellow }: Explanation['final']): string[] {
  const number = (n: number) => n.toFixed(4);
  const lines = table([
    ['', 'value', 'weight', 'share'],
    ...features.map(({ name, value, weight, share }) => [
      /^p\d$/.test(name) ? `${name}  ${splitName(Number(name.slice(1)))}` : name,
      ...[value, weight, share].map(number),
    ]),
    ['intercept', '', '', number(intercept)],
    ['value', '', '', number(expected)],
  ]);
  return [
    ...lines,
    `stage ${predicted}: the value reaches ${predicted} of the cuts ${cuts.map(number).join(', ')}`,
    ...(fellow === null ? [] : [colors.dim(`fellow: ${fellow}`)]),
  ];
}

/** Formats pairs as two columns, names on the left. */
function rows(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, text]) => `${name.padEnd(width)}  ${text}`);
}
