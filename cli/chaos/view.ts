/** Output of a run with faults: the kills, the recovery times and the comparison. Pure. */
import colors from 'picocolors';
import { counted, duration, fineDuration, headed, whole } from '../../lib/format.ts';
import type { Survived } from './run-with-chaos.ts';
import type { Strike } from './strike.ts';

/** Maximum number of kills below the progress. */
const SHOWN = 6;
const KILL = /^kill -9 of /;

/** Returns the lines about the last kills, to show below the progress. */
export function killLines(kills: readonly Strike[], began: number, now: number): string[] {
  if (kills.length === 0) return [];
  const width = Math.max(...kills.map(kill => named(kill).length));
  const lines = kills.slice(-SHOWN).map(kill => {
    const at = colors.dim(clock((kill.at - began) / 1000));
    const then =
      kill.away === null
        ? colors.yellow(`away ${duration((now - kill.at) / 1000)}`)
        : colors.green(`back in ${fineDuration(kill.away)}`);
    return `  ${colors.red('✖')} ${at}  ${colors.red('kill -9')}  ${named(kill).padEnd(width)}  ${then}`;
  });
  return ['', ...lines];
}

/** Returns the line about a kill, for output that is not a terminal. */
export function killedLine(kill: Strike): string {
  return `✖ ${kill.name}, ${processes(kill)}`;
}

export function backLine(kill: Strike): string {
  return `↻ back ${fineDuration(kill.away ?? 0)} after the ${kill.name}`;
}

/** Returns the summary: the kills, their cost, and whether the results equal those of the baseline run. */
export function survivedLines({ kills, harmed, calm, compared, sha256 }: Survived): string[] {
  const kinds = [...new Set(kills.map(({ name }) => name))].sort();
  const rows = kinds.map(kind => {
    const those = kills.filter(({ name }) => name === kind);
    const away = those.flatMap(kill => (kill.away === null ? [] : [fineDuration(kill.away)]));
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

/** Formats a kill as `the gpu worker (pid 1234)`. */
function named(kill: Strike): string {
  return `${kill.name.replace(KILL, '')} (${processes(kill)})`;
}

function processes({ pids }: Strike): string {
  return `pid ${pids.join(', ')}`;
}

/** Formats seconds as `0:42`. */
function clock(s: number): string {
  const whole = Math.max(0, Math.floor(s));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
