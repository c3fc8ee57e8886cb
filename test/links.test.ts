/** The links of the pages: each relative link leads to a file of the repository, and its anchor to a heading of the page. */
import {existsSync, readdirSync, readFileSync} from 'node:fs';
import path from 'node:path';
import test from 'ava';

/** The pages that are written by hand: docs/api and the pages of dependencies are left out. */
const PAGES = ['README.md', 'CONTRIBUTING.md', ...readdirSync('docs', {recursive: true, encoding: 'utf8'})
    .filter(file => file.endsWith('.md') && !file.startsWith('api')).map(file => path.join('docs', file))];

/** Text without its code, whose brackets are no links. */
const withoutCode = (text: string): string => text.replace(/^```[^]*?^```/gm, '').replace(/`[^`\n]*`/g, '');

/** The anchors of a page, as GitHub makes them of headings. */
function anchorsOf(text: string): Set<string> {
  const headings = text.replace(/^```[^]*?^```/gm, '').match(/^#+ .*$/gm) ?? [];
  return new Set(headings.map(heading => heading.replace(/^#+ /, '').trim().toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '').replace(/ /g, '-')));
}

/** The links of a page that lead nowhere. */
function brokenLinks(page: string, text: string): string[] {
  const targets = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target);
  return targets.filter(target => !/^[a-z]+:/.test(target)).filter(target => {
    const [file, anchor] = target.split('#');
    const goal = file === '' ? page : path.join(path.dirname(page), file);
    return !existsSync(goal) || (anchor !== undefined && !anchorsOf(readFileSync(goal, 'utf8')).has(anchor));
  }).map(target => `${page}: ${target}`);
}

test('each link of a page leads to a file and a heading', t => {
  t.true(PAGES.length > 10);
  t.deepEqual(PAGES.flatMap(page => brokenLinks(page, readFileSync(page, 'utf8'))), []);
});

test('a broken link would be found', t => {
  t.deepEqual(brokenLinks('README.md', '[a](docs/none.md), [b](docs/training.md#none), [c](#none), [d](docs/training.md)'),
      ['README.md: docs/none.md', 'README.md: docs/training.md#none', 'README.md: #none']);
});
