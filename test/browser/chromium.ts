/** A page in headless Chromium, served from localhost, for tests that need a browser. */
import fs from 'node:fs';
import http from 'node:http';
import type {AddressInfo} from 'node:net';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {build} from 'esbuild';
import {chromium, type Page} from 'playwright-core';

const EXECUTABLE = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Whether there is a Chromium: Debian's, or the one that the environment variable CHROMIUM names. */
export const hasChromium = (): boolean => fs.existsSync(EXECUTABLE);

const WASM_FILES = fileURLToPath(new URL('../../node_modules/@tensorflow/tfjs-backend-wasm/dist', import.meta.url));

/** These headers isolate a page, and only an isolated page has memory that threads share. */
const ISOLATION = {'Cross-Origin-Opener-Policy': 'same-origin', 'Cross-Origin-Embedder-Policy': 'require-corp'};

export interface OpenPage {
  page: Page;
  /** The errors of the page: exceptions that nobody caught, and those that its console shows. */
  errors: string[];
  close(): Promise<void>;
}

/**
 * Bundles a script with all it imports and opens a page that has run it.
 *
 * @param entry the script, relative to this folder.
 * @param query of the page's address; tfjs reads its flags there, as in 'tfjsflags=WEBGL_FORCE_F16_TEXTURES:true'. The query
 *   'isolated' makes the page cross-origin isolated.
 */
export async function openPage(entry: string, query = ''): Promise<OpenPage> {
  const script = await bundle(entry);
  const server = http.createServer((request, response) => {
    const {pathname, searchParams} = new URL(request.url!, 'http://localhost');
    if (searchParams.has('isolated')) {
      response.setHeaders(new Map(Object.entries(ISOLATION)));
    }
    if (pathname.endsWith('.wasm')) {
      response.setHeader('Content-Type', 'application/wasm');
      response.end(fs.readFileSync(path.join(WASM_FILES, path.basename(pathname))));
      return;
    }
    const isScript = pathname === '/page.js';
    response.setHeader('Content-Type', isScript ? 'text/javascript' : 'text/html; charset=utf-8');
    response.end(isScript ? script : '<!doctype html><title>tfjs-ggn</title><script src="page.js"></script>');
  });
  await new Promise<void>(ready => server.listen(0, '127.0.0.1', ready));
  const browser = await chromium.launch({executablePath: EXECUTABLE, args: [
    '--no-sandbox', '--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync']});
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', error => {
    console.error(error);
    errors.push(String(error));
  });
  page.on('console', message => message.type() === 'error' && errors.push(message.text()));
  await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/?${query}`);
  return {
    page,
    errors,
    close: async () => {
      await browser.close();
      server.close();
    },
  };
}

async function bundle(entry: string): Promise<string> {
  const {outputFiles} = await build({
    entryPoints: [fileURLToPath(new URL(entry, import.meta.url))],
    bundle: true, write: false, platform: 'browser', format: 'iife', target: 'es2022', logLevel: 'error',
  });
  return outputFiles[0].text;
}
