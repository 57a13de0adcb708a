/** The console in a real Chromium: a page, signed in or not, that reports what it should not do. */
import axe from 'axe-core';
import { type Browser, type BrowserContext, chromium, type Locator, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { findProgram } from '../../bench/lib/stage.ts';
import type { Product } from './product.ts';

export const CHROMIUM = findProgram('chromium');

/** What axe says of a page, serious faults alone. */
interface Fault {
  readonly id: string;
  readonly where: string[];
}

export class ConsolePage {
  readonly page: Page;
  /** What broke in the page: thrown errors, refusals of its policy, and requests to anybody else. */
  readonly faults: string[];
  readonly #context: BrowserContext;
  readonly #product: Product;

  private constructor(page: Page, faults: string[], context: BrowserContext, product: Product) {
    this.page = page;
    this.faults = faults;
    this.#context = context;
    this.#product = product;
  }

  static async open(browser: Browser, product: Product, colorScheme: 'light' | 'dark' = 'light'): Promise<ConsolePage> {
    const context = await browser.newContext({ colorScheme, viewport: { width: 1_280, height: 800 } });
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('pageerror', (error) => faults.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      if (/Content Security Policy|TrustedType/i.test(message.text())) faults.push(message.text());
    });
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== product.controlUrl) faults.push(`asks ${request.url()}`);
    });
    await page.goto(`${product.controlUrl}/console`);
    return new ConsolePage(page, faults, context, product);
  }

  async signIn(key: string = this.#product.bootstrap.apiKey): Promise<void> {
    await this.page.getByLabel('API key').fill(key);
    await this.page.getByRole('button', { name: 'Sign in' }).click();
  }

  /** Goes to a page of the console by its link. */
  async go(name: string): Promise<void> {
    await this.page.getByRole('navigation').getByRole('link', { name }).click();
    await this.page.getByRole('heading', { level: 1, name }).waitFor();
  }

  /** Goes to the sessions of a pool by the address, without loading the page again. */
  async pool(name: string): Promise<void> {
    await this.page.evaluate((hash) => {
      (globalThis as unknown as { location: { hash: string } }).location.hash = hash;
    }, `#sessions?pool=${name}`);
    await this.page.getByRole('heading', { level: 1, name: 'Sessions' }).waitFor();
    await expectThat(() => this.field('Pool').inputValue(), name);
  }

  /** The table's row of a session. */
  row(token: string): Locator {
    return this.page.getByRole('row').filter({ has: this.page.getByRole('button', { name: token, exact: true }) });
  }

  /** A list to choose from. */
  field(name: string): Locator {
    return this.page.getByRole('combobox', { name, exact: true });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** Serious and critical findings of axe on the page as it is. */
  async seriousFaults(): Promise<Fault[]> {
    await this.page.evaluate(axe.source);
    const found = await this.page.evaluate(async () => {
      const { axe: run } = globalThis as unknown as { axe: typeof axe };
      return (await run.run()).violations;
    });
    return found
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => ({ id, where: nodes.map(({ html }) => html.slice(0, 120)) }));
  }

  async close(): Promise<void> {
    await this.#context.close();
  }
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM!,
    args: ['--no-sandbox', '--disable-background-networking'],
  });
}

/** Asks until it is so. */
export function expectThat<T>(look: () => Promise<T>, value: T): Promise<void> {
  return expect.poll(look, { timeout: 15_000, interval: 100 }).toEqual(value);
}
