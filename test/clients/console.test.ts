/** The console as its users see it: in a real Chromium, over the built product, with real traffic. */
import { spawnSync } from 'node:child_process';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { freePort } from '../../bench/lib/stage.ts';
import { CHROMIUM, ConsolePage, expectThat, launchChromium } from '../helpers/console-page.ts';
import { AS_BUILT, Product } from '../helpers/product.ts';
import { ProxiedClient } from '../helpers/proxied.ts';
import { type RecordingUpstream, startRecordingUpstream } from '../helpers/wire.ts';

const ROOT = new URL('../../', import.meta.url).pathname;
const MANY = 10_000;
/** Rows in the page, however many there are. */
const MOST_DRAWN = 80;

let product: Product;
let upstream: RecordingUpstream;
let browser: Browser;

/** A page of a test's own; it must have done nothing that it should not. */
async function openConsole(colorScheme: 'light' | 'dark' = 'light'): Promise<ConsolePage> {
  const opened = await ConsolePage.open(browser, product, colorScheme);
  onTestFinished(async () => {
    await opened.close();
    expect(opened.faults).toEqual([]);
  });
  return opened;
}

async function signedIn(colorScheme: 'light' | 'dark' = 'light'): Promise<ConsolePage> {
  const opened = await openConsole(colorScheme);
  await opened.signIn();
  await opened.page.getByRole('heading', { level: 1, name: 'Overview' }).waitFor();
  return opened;
}

async function makePool(name: string): Promise<string> {
  return (await product.proxies('CreatePool', { name })).pool.id;
}

async function makeSession(poolId: string, token: string, port: number): Promise<string> {
  const { providerId } = product.bootstrap;
  const endpoint = { scheme: 'http', host: '127.0.0.1', port };
  return (await product.proxies('CreateSession', { poolId, providerId, token, ...endpoint })).session.id;
}

async function send(selector: string): Promise<{ status: number; reason: string }> {
  const client = new ProxiedClient(product.gatewayPort);
  try {
    return await client.get('http://a.test/', product.authorization(selector));
  } finally {
    client.close();
  }
}

function copyInPage(page: Page, copied: string): Promise<void> {
  return page.evaluate((text) => {
    const { navigator } = globalThis as unknown as {
      navigator: { clipboard: { writeText(of: string): Promise<void> } };
    };
    return navigator.clipboard.writeText(text);
  }, copied);
}

/** A tail begins when it begins: requests go on until it shows one. */
function sendUntilSeen(selector: string, cell: Locator): Promise<void> {
  const look = async () => {
    await send(selector);
    return cell.count();
  };
  return expect.poll(look, { timeout: 15_000 }).toBeGreaterThan(0);
}

describe.skipIf(CHROMIUM === null)(CHROMIUM === null ? 'chromium is not installed: skipped' : 'the console', () => {
  beforeAll(async () => {
    spawnSync(process.execPath, ['scripts/ensure-built.js'], { cwd: ROOT, stdio: 'inherit' });
    // A port of its own, so that a server that comes back is where it was.
    product = new Product({ SALLYPORT_CONTROL_LISTEN: `127.0.0.1:${await freePort()}` }, ':', AS_BUILT);
    await product.start();
    upstream = await startRecordingUpstream();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await product?.destroy();
    await upstream?.close();
  });

  test('a wrong key is refused in words, and a right one is let in and kept over a reload', async () => {
    const { page } = await openConsole();
    const door = page.getByLabel('API key');
    await door.fill('sp_live_wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('This key is not accepted.').waitFor();
    await door.fill('two words');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('alert').getByText('That is no API key').waitFor();
    await door.fill(product.bootstrap.apiKey);
    await page.keyboard.press('Enter');
    await page.getByText('Sessions healthy').waitFor();
    await page.reload();
    await page.getByText('Sessions healthy').waitFor();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    await page.reload();
    await page.getByLabel('API key').waitFor();
  });

  test('a session is added from a pasted line, and serves', async () => {
    await makePool('adding');
    const console = await signedIn();
    const { page } = console;
    await console.pool('adding');
    await page.getByText('has no session yet').waitFor();
    await console.button('Add a session').click();
    const host = page.getByLabel('Host');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await copyInPage(page, `127.0.0.1:${upstream.port}:anna:secret`);
    await host.press('ControlOrMeta+v');
    await expectThat(() => page.getByLabel('Port').inputValue(), String(upstream.port));
    await expectThat(() => page.getByLabel('Username').inputValue(), 'anna');
    await page.getByLabel('Labels').fill('country=de');
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click();
    await console.row(`anna@127.0.0.1:${upstream.port}`).getByText('healthy').waitFor();
    expect(await page.content()).not.toContain('secret');
    expect(await send('adding-country-de')).toMatchObject({ status: 200 });
    // The same once more is refused, and nothing that was typed is lost.
    await console.button('Add').click();
    await host.fill('127.0.0.1');
    await page.getByLabel('Port').fill(String(upstream.port));
    await page.getByLabel('Username').fill('anna');
    await page.getByRole('dialog').getByRole('button', { name: 'Add' }).click();
    await page.getByRole('alert').waitFor();
    expect(await page.getByLabel('Port').inputValue()).toBe(String(upstream.port));
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  });

  test('a list is read before it is imported, tells of bad lines, and makes nothing twice', async () => {
    await makePool('importing');
    const console = await signedIn();
    const { page } = console;
    await console.pool('importing');
    const lines = ['203.0.113.1:8080:u:p', 'not a proxy', 'socks5://u:p@203.0.113.2:1080', '203.0.113.3:80'];
    for (const told of ['3 sessions created', '0 sessions created, 3 there already']) {
      await console.button('Import').click();
      await page.getByLabel('or lines').fill(lines.join('\n'));
      await page.getByText('3 sessions, 1 line refused.').waitFor();
      await page.getByText(/^Line 2: /).waitFor();
      await console.button('Import 3 sessions').click();
      await page.getByText(told).waitFor();
      await console.button('Close').last().click();
    }
    await console.row('u@203.0.113.1:8080').waitFor();
    await page.getByText('3 sessions', { exact: true }).waitFor();
  });

  test('health changes before one’s eyes, without a reload, and says what to do', async () => {
    const poolId = await makePool('ailing');
    await makeSession(poolId, 'ill', 1);
    await makeSession(poolId, 'well', upstream.port);
    const console = await signedIn();
    const { page } = console;
    await console.pool('ailing');
    await console.row('ill').getByText('healthy').waitFor();
    await page.evaluate(() => {
      (globalThis as unknown as { isSamePage: boolean }).isSamePage = true;
    });
    for (let n = 0; n < 8; n++) expect((await send('ailing')).status).toBe(200);
    await console.row('ill').getByText('ejected').waitFor();
    await console.row('ill').getByText('upstream_refused').waitFor();
    await console.row('well').getByText('healthy').waitFor();
    await console.button('ill').click();
    await page.getByText('Nothing listens at the upstream').waitFor();
    await page.keyboard.press('Escape');
    await console.field('Health').selectOption({ label: 'ejected (1)' });
    await page.getByText('1 of 2 sessions').waitFor();
    await expectThat(() => console.row('well').count(), 0);
    expect(await page.evaluate(() => (globalThis as unknown as { isSamePage?: boolean }).isSamePage)).toBe(true);
  });

  test('requests appear in the tail as they end, with filters', async () => {
    const poolId = await makePool('tailed');
    await makeSession(poolId, 'one', upstream.port);
    const console = await signedIn();
    const { page } = console;
    await console.go('Live tail');
    await console.field('Pool').selectOption('tailed');
    await page.getByText('No request has finished').waitFor();
    await sendUntilSeen('tailed', page.getByRole('cell', { name: 'a.test:80' }));
    await page.getByRole('row').nth(1).getByRole('button').click();
    await page.getByRole('heading', { name: /^Request [0-9a-f-]+$/ }).waitFor();
    await page.keyboard.press('Escape');
    await console.button('Pause').click();
    await send('tailed');
    await page.getByText(/Go on \([1-9]/).waitFor();
    await console.field('Ended with').selectOption('pool_empty');
    await page.getByText('No request has finished').waitFor();
    await sendUntilSeen('tailed-country-xx', page.getByRole('cell', { name: 'pool_empty' }));
    await expectThat(() => page.getByRole('cell', { name: 'ok', exact: true }).count(), 0);
  });

  test('explains which session a request would get, and why none', async () => {
    const poolId = await makePool('explained');
    await makeSession(poolId, 'chosen', upstream.port);
    const off = await makeSession(poolId, 'off', upstream.port);
    await product.proxies('UpdateSession', { sessionId: off, enabled: false });
    const console = await signedIn();
    const { page } = console;
    await console.go('Explain');
    await page.getByLabel('Username').fill('explained-session-anna');
    await console.button('Explain').click();
    await page.getByRole('heading', { name: /^chosen/ }).waitFor();
    await page.getByRole('row', { name: 'no: session_disabled 1' }).waitFor();
    await page.getByLabel('Username').fill('nowhere');
    await console.button('Explain').click();
    await page.getByRole('heading', { name: 'No session: pool_unknown' }).waitFor();
    await page.getByLabel('Target').fill('::');
    await console.button('Explain').click();
    await page.getByRole('alert').getByText('The target must be host:port').waitFor();
  });

  test('what is revoked ends: a session disabled and deleted, several at once, a key', async () => {
    const poolId = await makePool('revoked');
    for (const token of ['first', 'second', 'third']) await makeSession(poolId, token, upstream.port);
    const console = await signedIn();
    const { page } = console;
    await console.pool('revoked');
    await console.button('first').click();
    await console.button('Disable').click();
    await page.getByRole('dialog').getByText('disabled').waitFor();
    expect((await send('revoked-session-first-strict-true')).reason).not.toBe('OK');
    await console.button('Delete…').click();
    await page.getByRole('heading', { name: 'Delete first?' }).waitFor();
    await console.button('Delete').click();
    await expectThat(() => console.row('first').count(), 0);
    await page.getByLabel('Mark second').check();
    await page.getByLabel('Mark third').check();
    await console.button('Disable').click();
    await page.getByText('2 sessions disabled.').waitFor();
    expect(await send('revoked')).toMatchObject({ status: 503 });
    await console.row('second').getByText('disabled').waitFor();

    await console.go('Keys');
    await console.button('New key').click();
    await page.getByLabel('Name').fill('visitor');
    await page.getByLabel('gateway').uncheck();
    await page.getByLabel('proxies-viewer').check();
    await console.button('Create').click();
    const key = await page.locator('code.secret').innerText();
    await console.button('I have it').click();
    const visitor = await openConsole();
    await visitor.signIn(key);
    await visitor.page.getByText('Sessions healthy').waitFor();
    await visitor.pool('revoked');
    await visitor.row('second').waitFor();
    await console.button('Revoke visitor').click();
    await console.button('Revoke').click();
    await page.getByText('visitor is revoked').waitFor();
    await visitor.page.getByText('The key is no longer accepted').waitFor({ timeout: 15_000 });
  });

  test('a lost server is told of, and its return', async () => {
    const { page } = await signedIn();
    await product.stop();
    await page.getByText('What you see is how it was').waitFor({ timeout: 15_000 });
    await product.start();
    await page.getByText('What you see is how it was').waitFor({ state: 'detached', timeout: 15_000 });
    await page.getByText('Sessions healthy').waitFor();
  });

  test('10,000 sessions are a table of some dozens of rows, found, sorted and scrolled to the end', async () => {
    const poolId = await makePool('many');
    const sessions = Array.from({ length: MANY }, (_, n) => ({
      ...{ token: `exit-${String(n).padStart(5, '0')}`, scheme: 'http', host: `203.0.113.${n % 250}`, port: 8_080 },
    }));
    await product.proxies('BulkCreateSessions', { poolId, providerId: product.bootstrap.providerId, sessions });
    const console = await signedIn();
    const { page } = console;
    await console.pool('many');
    await page.getByText('10,000 sessions', { exact: true }).waitFor({ timeout: 30_000 });
    await console.row('exit-00000').getByText('healthy').waitFor();
    expect(await page.getByRole('table').getAttribute('aria-rowcount')).toBe(String(MANY + 1));
    const rows = page.locator('tbody tr');
    expect(await rows.count()).toBeLessThan(MOST_DRAWN);
    const scroller = page.getByRole('region', { name: 'Sessions' });
    await scroller.focus();
    await page.keyboard.press('End');
    await console.row('exit-09999').getByText('healthy').waitFor();
    expect(await rows.count()).toBeLessThan(MOST_DRAWN);
    await page.getByRole('columnheader', { name: 'Token' }).getByRole('button').click();
    await scroller.focus();
    await page.keyboard.press('Home');
    await console.row('exit-09999').waitFor();
    await page.getByLabel('Search').fill('exit-012 203.0.113.4');
    await page.getByText(/^\d+ of 10,000 sessions$/).waitFor();
    await console.row('exit-01254').waitFor();
  });

  test.each(['light', 'dark'] as const)('axe has nothing serious to say, %s', async (colorScheme) => {
    const name = `seen-${colorScheme}`;
    const poolId = await makePool(name);
    await makeSession(poolId, 'one', upstream.port);
    await makeSession(poolId, 'ill', 1);
    for (let n = 0; n < 6; n++) await send(name);
    const opened = await openConsole(colorScheme);
    const { page } = opened;
    expect(await opened.seriousFaults()).toEqual([]);
    await opened.signIn();
    await page.getByText('Sessions healthy').waitFor();
    expect(await opened.seriousFaults()).toEqual([]);
    for (const place of ['Live tail', 'Explain', 'Keys']) {
      await opened.go(place);
      expect([place, await opened.seriousFaults()]).toEqual([place, []]);
    }
    await opened.pool(name);
    await opened.row('ill').getByText('ejected').waitFor();
    expect(await opened.seriousFaults()).toEqual([]);
    for (const dialog of ['Add', 'Import', 'ill']) {
      await opened.button(dialog).click();
      await page.getByRole('dialog').waitFor();
      expect([dialog, await opened.seriousFaults()]).toEqual([dialog, []]);
      await page.keyboard.press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
  });
});
