/** What the dashboard and the alarms in `deploy/` ask of Prometheus. */
import { readFile } from 'node:fs/promises';

interface Panel {
  id: number;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: { expr: string }[];
}

export async function readDashboard(): Promise<{ panels: Panel[]; expressions: string[] }> {
  const { panels } = JSON.parse(await file('grafana/retinopathy.json')) as { panels: Panel[] };
  return { panels, expressions: panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)) };
}

/** The expressions of the alarms: from `expr:` to the next key. */
export async function readRules(): Promise<string[]> {
  const text = await file('prometheus/alarms.yml');
  return [...text.matchAll(/^ +expr: (?:>-\n)?([\s\S]+?)\n +(?:for|labels):/gm)].map(([, expr]) => expr!);
}

/** Names of the series in an expression of PromQL. */
export function seriesIn(expression: string): string[] {
  const names = expression.replace(/"[^"]*"/g, '').match(/\b(?:retinopathy|temporal)_[a-z_]+|\bup\b|\bALERTS\b/g) ?? [];
  return [...new Set(names)];
}

const file = (name: string) => readFile(new URL(`../../deploy/${name}`, import.meta.url), 'utf8');
