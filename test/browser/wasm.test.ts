/**
 * Training on the WASM backend in headless Chromium, whose engine takes the build of the kernels with relaxed SIMD: in a plain page, and in a
 * cross-origin-isolated page, in which the backend has threads and its memory is shared.
 */
import test from 'ava';
import {hasChromium, openPage, type OpenPage} from './chromium';
import type {WasmPage} from './wasm_page';

declare const wasmPage: WasmPage;   // in the page

const browser = hasChromium() ? test.serial : test.serial.skip;
if (!hasChromium()) {
  console.log('\n=== WASM tests in a browser SKIPPED: there is no /usr/bin/chromium (Debian: apt-get install chromium). ===\n');
}

let open: OpenPage;
test.before(async () => {
  if (hasChromium()) {
    open = await openPage('wasm_page.ts');
  }
});
test.after.always(() => open?.close());

for (const isIsolated of [false, true]) {
  browser(`${isIsolated ? 'an isolated page, with threads' : 'a plain page'}: the kernels run and train as those of tfjs`, async t => {
    const {page, errors} = open;
    if (isIsolated) {
      await page.goto(new URL('/?isolated', page.url()).href);
    }
    t.deepEqual(await page.evaluate(() => wasmPage.facts()), {
      backend: 'wasm', isIsolated, threads: isIsolated ? 2 : 1, isShared: isIsolated, hasHeap: true, build: 'relaxed',
    });

    const ours = await page.evaluate(() => wasmPage.train('auto'));
    const wanted = await page.evaluate(() => wasmPage.train('tfjs'));
    t.true(ours.lookups > 0);
    t.is(wanted.lookups, 0);
    t.true(ours.hasGrown);
    t.is(ours.losses.length, 10);
    t.true(ours.losses.at(-1)! < ours.losses[0] / 10);
    ours.losses.forEach((loss, step) => t.true(Math.abs(loss / wanted.losses[step] - 1) < 2e-5, `step ${step}: ${loss}, by tfjs ${wanted.losses[step]}`));
    t.deepEqual(errors, []);
  });
}
