/** What was killed, how soon it was back, and what that came to. Pure. */
import colors from 'picocolors';
import type { Strike } from '../chaos/strike.ts';
import type { Survived } from './chaos.ts';
import { counted, duration, table, whole } from './format.ts';

/** Kills that a picture shows at most. */
const SHOWN = 6;
const KILL = /^kill -9 of /;

/** The last kills, below the progress. */
export function killLines(kills: readonly Strike[], began: number, now: number): string[] {
  if (kills.length === 0) return [];
  const width = Math.max(...kills.map(kill => named(kill).length));
  const lines = kills.slice(-SHOWN).map(kill => {
    const at = colors.dim(clock((kill.at - began) / 1000));
    const then =
      kill.away === null
        ? colors.yellow(`away ${duration((now - kill.at) / 1000)}`)
        : colors.green(`back in ${seconds(kill.away)}`);
    return `  ${colors.red('✖')} ${at}  ${colors.red('kill -9')}  ${named(kill).padEnd(width)}  ${then}`;
  });
  return ['', ...lines];
}

/** A line where output is no terminal. */
export function killedLine(kill: Strike): string {
  return `✖ ${kill.name}, ${processes(kill)}`;
}

export function backLine(kill: Strike): string {
  return `↻ back ${seconds(kill.away ?? 0)} after the ${kill.name}`;
}

/** What was survived, what it cost, and whether the results are those of the run that was left alone. */
export function survivedLines({ kills, harmed, calm, compared, sha256 }: Survived): string[] {
  const kinds = [...new Set(kills.map(({ name }) => name))].sort();
  const rows = kinds.map(kind => {
    const those = kills.filter(({ name }) => name === kind);
    const away = those.flatMap(kill => (kill.away === null ? [] : [seconds(kill.away)]));
    return [kind.replace(KILL, ''), whole(those.length), away.join(', ')];
  });
  const took = (work: Survived['calm']) => duration(Object.values(work.seconds).reduce((all, each) => all + each, 0));
  const cost = [
    ['stages, summed', took(harmed), took(calm)],
    ['segments trained', whole(harmed.segmentsTrained), whole(calm.segmentsTrained)],
    ['segments begun in vain', whole(harmed.segmentsRepeated), whole(calm.segmentsRepeated)],
    ['iterations done again', whole(harmed.iterationsLost), whole(calm.iterationsLost)],
    ['training lost', duration(harmed.secondsLost), duration(calm.secondsLost)],
  ];
  const verdicts = compared.map(({ what, same, detail }) => {
    const mark = same ? colors.green('✓ same  ') : colors.red('✖ OTHER ');
    return `  ${mark} ${what.padEnd(15)}  ${colors.dim(detail)}`;
  });
  const sums = Object.entries(sha256).map(([name, sum]) => `             ${name.padEnd(20)} ${colors.dim(sum)}`);
  return [
    `  ${colors.bold(`Survived ${counted(kills.length, 'kill')}`)}`,
    '',
    ...headed([['kill -9 of', 'times', 'back after'], ...rows]),
    '',
    ...headed([['cost', 'under attack', 'left alone'], ...cost]),
    '',
    ...verdicts.slice(0, 1),
    ...sums,
    ...verdicts.slice(1),
  ];
}

function headed(rows: string[][]): string[] {
  return table(rows).map((line, i) => `  ${i === 0 ? colors.dim(line) : line}`);
}

/** `the gpu worker (pid 1234)` */
function named(kill: Strike): string {
  return `${kill.name.replace(KILL, '')} (${processes(kill)})`;
}

function processes({ pids }: Strike): string {
  return `pid ${pids.join(', ')}`;
}

function seconds(s: number): string {
  return s < 9.95 ? `${s.toFixed(1)} s` : duration(s);
}

/** `0:42` */
function clock(s: number): string {
  const whole = Math.max(0, Math.floor(s));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
