/**
 * Whole steps on the WebGL backend in headless Chromium, of every layer kind and option and of each kind of loss, against the reference of
 * the other backends.
 */
import test from 'ava';
import {cases} from '../cases/cases';
import {lossSteps, lossStepsOfSolvers} from '../losses/loss_steps';
import {runsOn} from '../support/whole_step';
import {hasChromium, openPage, type OpenPage} from './chromium';
import type {CasesPage} from './page';
import {coveringSubset} from './subset';

declare const casesPage: CasesPage;   // in the page

const browser = hasChromium() ? test.serial : test.serial.skip;
if (!hasChromium()) {
  console.log('\n=== WebGL tests SKIPPED: there is no /usr/bin/chromium (Debian: apt-get install chromium). ===\n');
}

let open: OpenPage;
test.before(async () => {
  if (hasChromium()) {
    open = await openPage('page.ts');
  }
});
test.after.always(() => open?.close());

browser('the page has WebGL with float32 textures', async t => {
  t.deepEqual(await open.page.evaluate(() => casesPage.backend()), {name: 'webgl', float32: true});
});

browser('float16 textures are refused before f() runs', async t => {
  const {page, close} = await openPage('page.ts', 'tfjsflags=WEBGL_FORCE_F16_TEXTURES:true');
  const {outcome, message} = await page.evaluate(name => casesPage.run(name), cases[0].name);
  await close();
  t.is(outcome, 'refused');
  t.regex(message, /^tfjs-ggn: the WebGL backend of this device computes in float16 .*setBackend\('wasm'\)/);
});

// WEBGL_CASES=all npx ava test/browser runs the whole table.
const onWebgl = cases.filter(c => runsOn(c, 'webgl'));
for (const {name} of process.env['WEBGL_CASES'] === 'all' ? onWebgl : coveringSubset(onWebgl)) {
  browser(`webgl: ${name}`, async t => {
    const {outcome, message} = await open.page.evaluate(name => casesPage.run(name), name);
    t.not(outcome, 'wrong', message);
  });
}

/**
 * One loss of each kind of curvature: entry by entry, in blocks, projected, majorized. (Poisson's has an epsilon of its own here:
 * tfjs-layers takes 1e-4 on WebGL.)
 */
const KINDS = ['logcosh in fit', 'categoricalCrossentropy of outputs that are no softmax in fit', 'meanAbsoluteError in fit', 'categoricalHinge in fit'];

for (const {name} of [...lossStepsOfSolvers, ...lossSteps.filter(({name}) => KINDS.includes(name))]) {
  browser(`webgl: ${name}`, async t => {
    t.deepEqual(await open.page.evaluate(name => casesPage.loss(name), name), []);
  });
}
