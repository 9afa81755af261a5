/** Line charts as SVG text, drawn by ECharts without a browser. Colours are CSS variables, so one drawing serves light, dark and paper. */
import { LineChart, ScatterChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { type Html, trusted } from './html.ts';
import { type Drawing, drawing } from './svg.ts';

use([LineChart, ScatterChart, GridComponent, MarkLineComponent, SVGRenderer]);

export interface Axis {
  name: string;
  min?: number;
  max?: number;
  /** Between ticks; left out, ECharts chooses. */
  interval?: number;
}

export interface Series {
  /** `[x, y]` */
  points: [number, number][];
  /** CSS colour, e.g. `var(--accent)`. */
  color: string;
  dashed?: boolean;
  /** Markers alone, without a line. */
  markers?: boolean;
  /** Fills the area below. */
  filled?: boolean;
  width?: number;
}

/** Text in it is 12 units high. */
export interface Chart extends Drawing {
  x: Axis;
  y: Axis;
  series: Series[];
  /** Dashed upright lines, where something happened. */
  marks?: number[];
}

const FONT = { fontFamily: 'inherit', fontSize: 12, color: 'var(--soft)' };

/** The chart as an inline `<svg role="img">`. */
export function drawChart(chart: Chart): Html {
  const axis = ({ name, min, max, interval }: Axis, gap: number) => ({
    type: 'value',
    name,
    nameLocation: 'middle',
    nameGap: gap,
    nameTextStyle: FONT,
    axisLabel: FONT,
    axisLine: { show: true, lineStyle: { color: 'var(--rule-strong)' } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: 'var(--rule)' } },
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    ...(interval === undefined ? {} : { interval }),
  });
  const option: EChartsCoreOption = {
    animation: false,
    grid: { left: 46, right: 14, top: 10, bottom: 42 },
    xAxis: axis(chart.x, 26),
    yAxis: { ...axis(chart.y, 34) },
    series: chart.series.map(({ points, color, dashed, markers, filled, width }, i) =>
      markers
        ? {
            type: 'scatter',
            data: points,
            symbolSize: 9,
            silent: true,
            z: 3,
            itemStyle: { color: 'var(--paper)', borderColor: color, borderWidth: 2, opacity: 1 },
          }
        : {
            type: 'line',
            data: points,
            silent: true,
            showSymbol: points.length === 1,
            symbol: 'circle',
            symbolSize: 6,
            itemStyle: { color },
            lineStyle: { color, width: width ?? 2, type: dashed ? [4, 4] : 'solid' },
            ...(filled ? { areaStyle: { color, opacity: 0.1 } } : {}),
            ...(i === 0 && chart.marks ? { markLine: upright(chart.marks) } : {}),
          },
    ),
  };
  const canvas = init(null, null, { renderer: 'svg', ssr: true, width: chart.width, height: chart.height });
  try {
    canvas.setOption(option);
    return drawing(chart, trusted(innerOf(canvas.renderToSVGString())));
  } finally {
    // Or its timers keep the process alive.
    canvas.dispose();
  }
}

function upright(marks: readonly number[]) {
  return {
    ...{ silent: true, symbol: 'none', animation: false, label: { show: false } },
    lineStyle: { color: 'var(--second)', width: 1.5, type: [3, 3] },
    data: marks.map(x => ({ xAxis: x })),
  };
}

/**
 * The drawing without its outer element, its pointer styles and its clips, whose names count the charts of the process: the same chart
 * gives the same text, and nothing needs clipping, as all points lie within the axes.
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
