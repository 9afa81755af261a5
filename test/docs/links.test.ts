/** Every relative link of a page leads to a file, and to a heading in it; so does every page that code and settings name. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter(file => file !== '' && existsSync(join(ROOT, file)));
const textOf = (file: string) => readFileSync(join(ROOT, file), 'utf8');

interface Link {
  from: string;
  /** A path in the project. */
  to: string;
  /** `learning-rates` */
  anchor: string | undefined;
}

/** The text without code, which may look like a link. */
function withoutCode(markdown: string): string {
  return markdown
    .replace(/^```[\s\S]*?^```/gm, '')
    .replace(/^ {4}.*$/gm, '')
    .replace(/`[^`\n]*`/g, '');
}

function linksOf(from: string): Link[] {
  const targets = [...withoutCode(textOf(from)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return targets
    .filter(target => !/^(https?|mailto):/.test(target))
    .map(target => {
      const [path, anchor] = target.split('#');
      return { from, to: path === '' ? from : normalize(join(dirname(from), path!)), anchor };
    });
}

/** Headings as GitHub makes anchors of them: a second heading of the same text gets a number. */
function anchorsOf(file: string): Set<string> {
  const anchors = new Set<string>();
  const markdown = textOf(file).replace(/^```[\s\S]*?^```/gm, '');
  for (const [, heading] of markdown.matchAll(/^#+ (.+)$/gm)) {
    const slug = heading!
      .toLowerCase()
      .replace(/[^\p{Letter}\p{Number}\s_-]/gu, '')
      .replaceAll(' ', '-');
    let anchor = slug;
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`;
    anchors.add(anchor);
  }
  return anchors;
}

const isBroken = ({ to, anchor }: Link) =>
  !existsSync(join(ROOT, to)) || (anchor !== undefined && !anchorsOf(to).has(anchor));
const shown = ({ from, to, anchor }: Link) => `${from}: ${to}${anchor === undefined ? '' : `#${anchor}`}`;

test('every relative link in a page leads somewhere', () => {
  const links = files.filter(file => file.endsWith('.md')).flatMap(linksOf);
  expect(links.filter(isBroken).map(shown)).toEqual([]);
  expect(links.length).toBeGreaterThan(100);
});

test('every page that code or a setting names is there', () => {
  const named = files
    .filter(file => /\.(ts|mjs|ya?ml|sh|service|json|Dockerfile)$/.test(file) && file !== 'package-lock.json')
    .flatMap(from =>
      [...textOf(from).matchAll(/\b(docs\/[\w./-]+\.md)(?:#([\w-]+))?/g)].map(([, to, anchor]) => ({
        from,
        to: to!,
        anchor,
      })),
    );
  expect(named.filter(isBroken).map(shown)).toEqual([]);
  expect(named.length).toBeGreaterThan(3);
});

test('docs/README.md lists every page', () => {
  const listed = new Set(linksOf('docs/README.md').map(({ to }) => to));
  const pages = files.filter(file => /^docs\/.*\.md$/.test(file) && file !== 'docs/README.md');
  expect(pages.filter(page => !listed.has(page))).toEqual([]);
});
