/** The dashboard and the alarms are what Grafana and Prometheus can read, and ring when they should. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, onTestFinished, test } from 'vitest';
import { MEASURES } from '../../activities/metrics.ts';
import { which } from '../../lib/process/which.ts';
import { readDashboard, readRules, seriesIn } from '../support/watching-files.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const promtool = await which('promtool', process.env.PATH);

test('all that is measured is looked at: by a panel or by an alarm', async () => {
  const looked = new Set([...(await readDashboard()).expressions, ...(await readRules())].flatMap(seriesIn));
  expect(MEASURES.filter(name => !looked.has(name))).toEqual([]);
});

test('the panels have ids of their own, and none lies on another', async () => {
  const { panels } = await readDashboard();
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  for (const { gridPos } of panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
});

describe.runIf(promtool)('promtool', () => {
  test('accepts the configuration and the alarms', async () => {
    await run(promtool!, ['check', 'config', 'deploy/prometheus/prometheus.yml'], { cwd: ROOT });
  });

  test('finds that each alarm rings when it should', async () => {
    await run(promtool!, ['test', 'rules', 'test/deploy/alarms.test.yml'], { cwd: ROOT });
  });

  test('can read what the panels ask for', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'panels-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const { expressions } = await readDashboard();
    const rules = expressions.map((expr, n) => ({
      record: `panel_${n}`,
      // What Grafana fills in.
      expr: expr.replaceAll('$__rate_interval', '1m').replaceAll('$run', '.*'),
    }));
    // JSON is YAML.
    await writeFile(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'panels', rules }] }));
    await run(promtool!, ['check', 'rules', join(folder, 'rules.yml')]);
  });
});
