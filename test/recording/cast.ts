/** A terminal's recording (asciicast v2) made shorter, and free of the machine that it was made on. Pure. */

/** Seconds since the start, `o` for output, what was written. */
type CastEvent = [at: number, kind: string, data: string];

/** The cursor is hidden before each picture, drawn or not: nothing happens then. */
const HIDE = '\x1b[?25l';

export interface Shortening {
  /** Length that the recording gets, in seconds. */
  seconds: number;
  /** Longest pause before that, in seconds: more tells nothing. */
  pause: number;
  /** What stands for what: a folder of this machine, for one. */
  replace: Readonly<Record<string, string>>;
}

/** @throws Error when the text is not a recording with output */
export function shorten(cast: string, { seconds, pause, replace }: Shortening): string {
  const [header, ...lines] = cast.split('\n').filter(Boolean);
  const events = lines
    .map(line => JSON.parse(line) as CastEvent)
    .filter(([, , data]) => data.replaceAll(HIDE, '') !== '');
  if (header === undefined || events.length === 0) throw new Error('Expected a recording with output, got none');
  let before = 0;
  let now = 0;
  const paced = events.map(([at, kind, data]): CastEvent => {
    now += Math.min(at - before, pause);
    before = at;
    return [now, kind, plainer(data, replace)];
  });
  const scale = now > seconds ? seconds / now : 1;
  const told = paced.map(([at, kind, data]) => JSON.stringify([Number((at * scale).toFixed(3)), kind, data]));
  return `${[header, ...told].join('\n')}\n`;
}

/** Faint text becomes grey: the renderer knows no faint. */
function plainer(data: string, replace: Shortening['replace']): string {
  const grey = data.replaceAll('\x1b[2m', '\x1b[90m').replaceAll('\x1b[22m', '\x1b[22;39m');
  return Object.entries(replace).reduce((text, [from, to]) => text.replaceAll(from, to), grey);
}
