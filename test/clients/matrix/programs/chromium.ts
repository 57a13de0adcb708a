/**
 * Chromium under playwright-core: pages for what a page can show, `fetch` in a page of the
 * same origin for the rest. It never sends credentials before it was asked for them.
 */
import { chromium, type Page } from 'playwright-core';
import { type Answer, body, bodyFile, headers, method, proxy, scenario, tell } from './cell.ts';

const { protocol, host, username, password } = new URL(proxy);
// One browser for all cells, each in a context of its own: that has its own proxy, cache and credentials.
const browser = await chromium.connect(process.env.CHROMIUM_ENDPOINT ?? '');
const page = await browser.newPage({
  ignoreHTTPSErrors: true,
  proxy: { server: `${protocol}//${host}`, username, password },
});

const PAGES = ['get', 'redirect', 'tunnel', 'tunnel-reuse', 'ipv6', 'challenge', 'wrong-key', 'refused'];

async function ask(url: string): Promise<Answer> {
  if (PAGES.includes(scenario)) {
    const response = await page.goto(url);
    return { status: response!.status(), body: await response!.text() };
  }
  // A page of the same origin, so that its scripts may.
  await page.goto(new URL('/hello/page', url.replace(/^ws/, 'http')).href);
  if (scenario === 'upload') await page.setContent('<input type="file">');
  if (scenario === 'upload') await page.locator('input').setInputFiles(bodyFile);
  return inPage(page, { url, scenario, method, headers, body });
}

interface Task {
  readonly url: string;
  readonly scenario: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Runs in the browser: everything that it uses is the browser's, or in `task`. */
function inPage(where: Page, task: Task): Promise<Answer> {
  return where.evaluate(async ({ url, scenario, method, headers, body }) => {
    if (scenario === 'websocket') {
      const socket = new WebSocket(url);
      return await new Promise<Answer>((resolve, reject) => {
        socket.onopen = () => socket.send('sally');
        socket.onerror = () => reject(new Error('WebSocket'));
        socket.onmessage = ({ data }) => {
          resolve({ status: 101, body: data });
          socket.close();
        };
      });
    }
    const { document } = globalThis as never as { document: { querySelector(of: string): { files: Blob[] } } };
    const content = scenario === 'upload' ? document.querySelector('input').files[0]! : method === 'POST' ? body : null;
    const controller = new AbortController();
    const response = await fetch(url, { method, headers, body: content, signal: controller.signal });
    const { status } = response;
    if (scenario === 'abort') {
      const { value } = await response.body!.getReader().read();
      controller.abort();
      return { status, body: String(value!.length) };
    }
    if (scenario === 'download') {
      const hash = await crypto.subtle.digest('SHA-256', await response.arrayBuffer());
      return { status, body: [...new Uint8Array(hash)].map((octet) => octet.toString(16).padStart(2, '0')).join('') };
    }
    return { status, body: await response.text(), length: Number(response.headers.get('content-length')) };
  }, task);
}

await tell(ask);
