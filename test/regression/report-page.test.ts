/** The report in real Chromium: what it asks for, what it says, and whether everybody can read it. */
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { Browser } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRegressionActivities } from '../../activities/regression/index.ts';
import { createReportActivities } from '../../activities/report/index.ts';
import { launchChromium, type OpenedPage, openPage, seriousFindings } from '../support/browser.ts';
import { type TestServices, testServices } from '../support/services.ts';
import { closeRegression, type SimulatedSet, writeSimulatedSet } from './simulated-set.ts';

const missing = process.env.CHROMIUM_MISSING;
if (missing) console.warn(`The report is not looked at in a browser: ${missing}`);
const required = Boolean(process.env.CI || process.env.RETINOPATHY_REQUIRE_TOOLS);

test.runIf(missing && required)('Chromium is there', () => {
  throw new Error(missing);
});

const PAGES: Record<string, SimulatedSet> = {
  'made-up eyes': { patients: 160, seed: 21, hashes: 'twins' },
  // Few severe eyes, records shuffled over the folds, and not of our making.
  'records of photographs': {
    ...{ patients: 100, seed: 22, stages: [0.7, 0.15, 0.12, 0.02, 0.01] },
    input: { source: 'kaggle', folds: { unit: 'record' }, training: { layout: 'four-heads', epochs: 3 } },
  },
};
const files: Record<string, string> = {};
let services: TestServices[];
let browser: Browser;

describe.skipIf(missing)('the page', () => {
  beforeAll(async () => {
    [services, browser] = await Promise.all([
      Promise.all(Object.keys(PAGES).map(() => testServices())),
      launchChromium(),
    ]);
    for (const [i, [name, set]] of Object.entries(PAGES).entries()) {
      const { store, folder } = services[i]!;
      const activities = { ...createRegressionActivities(services[i]!), ...createReportActivities(services[i]!) };
      const { fit, report } = await writeSimulatedSet(store, set);
      const environment = new MockActivityEnvironment();
      await closeRegression(store, fit, await environment.run(activities.fitRegression, fit));
      await environment.run(activities.writeReport, report);
      files[name] = join(folder, 'report.html');
      await writeFile(files[name], await store.get('runs/simulated/report/report.html'));
    }
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await Promise.all((services ?? []).map(each => each.close()));
  });

  const urlOf = (name: string) => pathToFileURL(files[name]!).href;
  async function opened<T>(
    name: string,
    how: Parameters<typeof openPage>[2],
    look: (opened: OpenedPage) => Promise<T>,
  ) {
    const page = await openPage(browser, urlOf(name), how);
    try {
      return await look(page);
    } finally {
      await page.page.close();
    }
  }

  test.each(Object.keys(PAGES))(
    'of %s asks for nothing but itself and complains of nothing; below 3 MB',
    async name => {
      await opened(name, {}, async ({ page, complaints, requests }) => {
        expect(complaints).toEqual([]);
        expect(requests).toEqual([urlOf(name)]);
        expect((await stat(files[name]!)).size).toBeLessThan(3e6);
        console.info(`${name}: first paint after ${Math.round((await page.evaluate(FIRST_PAINT)) as number)} ms`);
      });
    },
  );

  test.each([
    ...(['light', 'dark', 'print'] as const).map(dress => ({ name: 'made-up eyes', dress })),
    { name: 'records of photographs', dress: 'light' as const },
  ])('of $name in $dress has nothing serious for axe', async ({ name, dress }) => {
    await opened(name, { scheme: dress === 'dark' ? 'dark' : 'light' }, async ({ page }) => {
      if (dress === 'print') await page.emulateMediaType('print');
      expect(await seriousFindings(page)).toEqual([]);
    });
  });

  test.each(Object.keys(PAGES))('of %s fits a phone, and a sheet of paper', async name => {
    const overhang = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';
    for (const width of [375, 1280]) {
      await opened(name, { width }, async ({ page }) => expect(await page.evaluate(overhang)).toBe(0));
    }
    // A4 within its margins, at 96 pixels an inch: what would scroll on a screen is lost on paper.
    await opened(name, { width: 718 }, async ({ page }) => {
      await page.emulateMediaType('print');
      expect(await page.evaluate(overhang)).toBe(0);
      expect(await page.evaluate(CUT_OFF)).toEqual([]);
    });
  });

  test('of made-up eyes has every section with figures, tables with heads, drawings with words', async () => {
    await opened('made-up eyes', {}, async ({ page }) => {
      const sections = (await page.evaluate(SECTIONS)) as { id: string; figures: number; drawings: number }[];
      expect(Object.fromEntries(sections.map(({ id, drawings }) => [id, drawings]))).toEqual({
        ...{ verdict: 0, y2015: 0, splits: 8, stages: 0, distribution: 1, wrong: 0, bought: 0, handover: 1 },
        ...{ second: 0, training: 8, flow: 0, folds: 0, reading: 0, repeat: 0 },
      });
      for (const { id, figures } of sections) expect([id, figures > 0]).toEqual([id, true]);
      expect(await page.evaluate(HEADLESS_TABLES)).toEqual([]);
      expect(await page.evaluate(WORDLESS_DRAWINGS)).toEqual([]);
    });
  });

  test('closes nothing away on paper', async () => {
    await opened('made-up eyes', {}, async ({ page }) => {
      const shown = `[...document.querySelectorAll('details')].map(details =>
        details.querySelector('pre').checkVisibility() && details.getBoundingClientRect().height > 100)`;
      expect(await page.evaluate(shown)).toEqual([false]);
      await page.emulateMediaType('print');
      expect(await page.evaluate(shown)).toEqual([true]);
    });
  });
});

const FIRST_PAINT = `new Promise(resolve =>
  new PerformanceObserver(list => {
    for (const { name, startTime } of list.getEntries()) if (name === 'first-contentful-paint') resolve(startTime);
  }).observe({ type: 'paint', buffered: true }))`;
const SECTIONS = `[...document.querySelectorAll('main > section')].map(section => ({
  id: section.getAttribute('aria-labelledby'),
  figures: (section.textContent.match(/\\d/g) ?? []).length,
  drawings: section.querySelectorAll('svg.chart').length,
}))`;
const HEADLESS_TABLES = `[...document.querySelectorAll('table')]
  .filter(table => !table.querySelector('thead th[scope=col]') || !table.querySelector('tbody th[scope=row]'))
  .map(table => table.textContent.slice(0, 60))`;
const WORDLESS_DRAWINGS = `[...document.querySelectorAll('svg:not([aria-hidden])')]
  .filter(svg => !svg.querySelector('title')?.textContent || svg.getAttribute('role') !== 'img')
  .map(svg => svg.outerHTML.slice(0, 60))`;
const CUT_OFF = `[...document.querySelectorAll('.scroll')]
  .filter(box => box.scrollWidth > box.clientWidth + 1)
  .map(box => box.getAttribute('aria-label'))`;
