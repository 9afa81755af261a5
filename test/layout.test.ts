/** The layout of docs/architecture.md: which folder may import which, and that no import leads back. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');

/** What each folder imports beside itself. */
const MAY_IMPORT: Record<string, readonly string[]> = {
  lib: [],
  config: ['lib'],
  storage: ['lib'],
  synthetic: ['lib', 'storage'],
  activities: ['lib', 'config', 'storage', 'synthetic'],
  workflows: ['lib', 'config', 'storage', 'activities'],
  inference: ['lib', 'config', 'storage', 'activities', 'workflows'],
  workers: ['lib', 'config', 'storage', 'synthetic', 'activities', 'workflows'],
  cli: ['lib', 'config', 'storage', 'synthetic', 'activities', 'workflows', 'inference', 'workers'],
  deploy: ['lib', 'storage', 'workers'],
};
/** Folders of activities: each imports those before it. */
const ACTIVITIES = [
  ...['run', 'zip', 'download', 'images', 'caffe', 'labels', 'training', 'regression', 'report', 'scoring'],
];
const MOST_FILES = 25;

interface Import {
  from: string;
  to: string;
  /** `import type`: nothing of it is left at run time. */
  isType: boolean;
}

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter(file => /\.(ts|mts|mjs)$/.test(file));
const product = files.filter(file => topOf(file) in MAY_IMPORT);
const imports = product.flatMap(importsOf);

function topOf(file: string): string {
  return file.split('/')[0]!;
}

function importsOf(from: string): Import[] {
  const text = readFileSync(join(ROOT, from), 'utf8');
  const pattern = /(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?'(\.[^']+)'|import\('(\.[^']+)'\)/g;
  return [...text.matchAll(pattern)].map(([, type, stated, dynamic]) => ({
    from,
    to: normalize(join(dirname(from), stated ?? dynamic!)),
    isType: type !== undefined,
  }));
}

const shown = (found: Import[]) => found.map(({ from, to }) => `${from} → ${to}`);

test('every folder imports only those that it may', () => {
  const wrong = imports.filter(({ from, to }) => {
    if (!to.includes('/')) return false;
    return topOf(to) !== topOf(from) && !MAY_IMPORT[topOf(from)]!.includes(topOf(to));
  });
  expect(shown(wrong)).toEqual([]);
  expect(imports.length).toBeGreaterThan(1000);
});

test('workflow code takes only types of activities', () => {
  const values = imports.filter(
    ({ from, to, isType }) => topOf(from) === 'workflows' && topOf(to) === 'activities' && !isType,
  );
  expect(shown(values)).toEqual([]);
});

test('a folder of activities imports only those before it', () => {
  const order = (file: string) => (file.split('/').length > 2 ? ACTIVITIES.indexOf(file.split('/')[1]!) : -1);
  const within = imports.filter(({ from, to }) => topOf(from) === 'activities' && topOf(to) === 'activities');
  expect(shown(within.filter(({ from, to }) => order(to) > order(from)))).toEqual([]);
  const folders = new Set(
    product.filter(file => order(file) >= 0 || /^activities\/.*\//.test(file)).map(file => file.split('/')[1]!),
  );
  expect([...folders].sort()).toEqual([...ACTIVITIES].sort());
});

test('no import leads back to its file', () => {
  const next = new Map<string, string[]>();
  for (const { from, to, isType } of imports) if (!isType) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) throw new Error(`Expected no circle, got ${[...path, file].join(' → ')}`);
    if (done.has(file)) return;
    for (const to of next.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of product) visit(file, []);
});

test(`no folder holds more than ${MOST_FILES} files of code`, () => {
  const counts = new Map<string, number>();
  for (const file of files.filter(file => !file.includes('/fixtures/'))) {
    counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1);
  }
  expect([...counts].filter(([, count]) => count > MOST_FILES)).toEqual([]);
});
