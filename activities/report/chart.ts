/** Draws charts as SVG text by ECharts, without a browser. Colors are CSS variables, so one drawing serves light, dark and paper. */
import { createRequire } from 'node:module';
import { type Content, Html, html } from './html.ts';

// A single file. The hundreds of files of the package would cost three seconds in each process that loads this module.
const { init } = createRequire(import.meta.url)('echarts/dist/echarts.min') as typeof import('echarts');

export interface Axis {
  name: string;
  /** ECharts chooses `min`, `max` and `interval` where they are left out. */
  min?: number | undefined;
  max?: number | undefined;
  /** Distance between ticks. */
  interval?: number | undefined;
  /** Positions of the ticks, instead of `interval`. */
  ticks?: number[];
}

type Points = [x: number, y: number][];

/** Series of ECharts. */
export type Series = { data: Points } & Record<string, unknown>;

/** Returns a line. @param color in CSS, e.g. `var(--accent)` */
export function line(data: Points, color: string, { width = 2, dashed = false, filled = false } = {}): Series {
  return {
    ...{ data, silent: true, type: 'line', symbol: 'circle', symbolSize: 6, itemStyle: { color } },
    showSymbol: data.length === 1,
    lineStyle: { color, width, type: dashed ? [4, 4] : 'solid' },
    ...(filled && { areaStyle: { color, opacity: 0.1 } }),
  };
}

/** Returns ring markers without a line. */
export function rings(data: Points, color: string): Series {
  const itemStyle = { color: 'var(--paper)', borderColor: color, borderWidth: 2, opacity: 1 };
  return { data, silent: true, type: 'scatter', symbolSize: 9, z: 3, itemStyle };
}

/** Returns bars that stand on the height `origin` and are as wide as the distance of the points. */
export function bars(data: Points, color: string, origin: number): Series {
  const areaStyle = { color, opacity: 1, origin };
  return { ...line(data, color), showSymbol: false, step: 'middle', lineStyle: { width: 0 }, areaStyle };
}

export interface Chart {
  /** Content of the chart in one sentence, which a screen reader says instead of the drawing. */
  label: string;
  /** Figures behind the drawing, for readers who cannot see it. */
  description?: string;
  /** Size in units of the drawing, in which text is 12 high. The drawing scales with its column. */
  width: number;
  height: number;
  x: Axis;
  y: Axis;
  series: Series[];
  /** Dashed vertical lines, some with a title above. */
  marks?: { x: number; title?: string }[];
  /** Titles of the rows of the y axis, from the lowest. Each is inside the chart, below the integer at the top of its row. */
  rows?: string[];
}

const FONT = { fontFamily: 'inherit', fontSize: 12, color: 'var(--soft)' };

/** Draws a chart with its title, as an inline `<svg role="img">`. */
export function figure(caption: Content, chart: Chart): Html {
  const { label, description, width, height, rows, marks = [] } = chart;
  const series = chart.series.filter(({ data }) => data.length > 0);
  const canvas = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    canvas.setOption({
      animation: false,
      grid: { left: rows ? 8 : 46, right: rows ? 8 : 14, top: marks.some(({ title }) => title) ? 22 : 10, bottom: 42 },
      xAxis: axis(chart.x, 26),
      yAxis: rows ? { ...axis(chart.y, 0), ...rowTitles(rows) } : axis(chart.y, 34),
      series: series.map((one, i) => ({
        ...one,
        ...(i === 0 && marks.length > 0 && { markLine: upright(marks) }),
      })),
    });
    return html`<figure><figcaption>${caption}</figcaption><svg role="img" aria-label="${label}" viewBox="0 0 ${width} ${height}" class="chart"><title>${label}</title>${description !== undefined && html`<desc>${description}</desc>`}${new Html(innerOf(canvas.renderToSVGString()))}</svg></figure>`;
  } finally {
    // Without this, its timers would keep the process alive.
    canvas.dispose();
  }
}

function axis({ name, min, max, interval, ticks }: Axis, gap: number) {
  return {
    type: 'value',
    name,
    nameLocation: 'middle',
    nameGap: gap,
    nameTextStyle: FONT,
    axisLabel: { ...FONT, customValues: ticks },
    axisLine: { show: true, lineStyle: { color: 'var(--rule-strong)' } },
    axisTick: { show: false, customValues: ticks },
    splitLine: { lineStyle: { color: 'var(--rule)' } },
    min,
    max,
    interval,
  };
}

function rowTitles(rows: readonly string[]) {
  const paper = { textBorderColor: 'var(--paper)', textBorderWidth: 4 };
  const formatter = (value: number) => rows[value - 1] ?? '';
  return {
    axisLine: { show: false },
    axisLabel: {
      ...FONT,
      ...paper,
      color: 'var(--ink)',
      inside: true,
      margin: 0,
      verticalAlign: 'top',
      padding: [3, 0, 0, 0],
      formatter,
    },
    z: 10,
  };
}

function upright(marks: NonNullable<Chart['marks']>) {
  return {
    ...{ silent: true, symbol: 'none', animation: false },
    lineStyle: { color: 'var(--second)', width: 1.5, type: [3, 3] },
    data: marks.map(({ x, title = '' }) => ({
      xAxis: x,
      label: { ...FONT, color: 'var(--second)', show: title !== '', formatter: title, distance: 4 },
    })),
  };
}

/**
 * Removes the outer element, the pointer styles and the clips from a drawing. Names of clips count the charts of the process, so
 * without them the same chart gives the same text. No clip is needed, as all points are within the axes.
 */
function innerOf(svg: string): string {
  return svg
    .replace(/^<svg[^>]*>/, '')
    .replace(/<\/svg>\s*$/, '')
    .replace(/<style\s*>[\s\S]*?<\/style>/g, '')
    .replace(/<defs\s*>[\s\S]*?<\/defs>/g, '')
    .replace(/ (clip-path="[^"]*"|class="zr[^"]*"|pointer-events="[^"]*"|ecmeta_\w+="[^"]*")/g, '')
    .replace(/<rect [^>]*fill="none"[^>]*><\/rect>/, '')
    .replaceAll('font-family:inherit;', '');
}
