/** A page opened in real Chromium, with everything that it said and asked for. */
import axe, { type AxeResults } from 'axe-core';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';

export interface OpenedPage {
  page: Page;
  /** Errors and warnings of the console, and what was thrown. */
  complaints: string[];
  /** Addresses of everything that was asked for, data: apart. */
  requests: string[];
}

/** @param executablePath of Chromium; default: what the set-up of the tests has found */
export function launchChromium(executablePath = process.env.CHROMIUM_PATH): Promise<Browser> {
  return puppeteer.launch({
    ...(executablePath !== undefined && { executablePath }),
    // As root there is no sandbox; the page is ours.
    args: ['--no-sandbox', '--disable-dev-shm-usage', '--hide-scrollbars', '--font-render-hinting=none'],
  });
}

/** @param width of the window in CSS pixels */
export async function openPage(
  browser: Browser,
  url: string,
  { width = 1280, scheme = 'light' }: { width?: number; scheme?: 'light' | 'dark' } = {},
): Promise<OpenedPage> {
  const page = await browser.newPage();
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error' || message.type() === 'warn') complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('request', request => {
    if (!request.url().startsWith('data:')) requests.push(request.url());
  });
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
  await page.goto(url, { waitUntil: 'load' });
  return { page, complaints, requests };
}

/** What axe finds serious or critical: a line each. */
export async function seriousFindings(page: Page): Promise<string[]> {
  // The page's own policy lets no script in; the driver's come by another way.
  await page.evaluate(axe.source);
  const { violations } = (await page.evaluate('axe.run(document, { resultTypes: ["violations"] })')) as AxeResults;
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(node => `${id}: ${help}: ${node.target.join(' ')}`));
}
