import { mkdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

export const executablePath = '/usr/bin/chromium';
const screenshots = fileURLToPath(new URL('../page/screenshots/', import.meta.url));
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export interface OpenOptions {
  readonly dark?: boolean;
  readonly width?: number;
  readonly height?: number;
  /** Before it asks for anything. */
  readonly prepare?: (page: Page) => Promise<void>;
}

/** One Chromium for the tests of a file. */
export class TestBrowser {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<TestBrowser> {
    return new TestBrowser(await chromium.launch({ executablePath, args: flags }));
  }

  /** A page in a profile of its own, watched from its first moment. */
  async open(url: string, { dark = false, width = 1280, height = 800, prepare }: OpenOptions = {}): Promise<TestPage> {
    const context = await this.#browser.newContext({
      viewport: { width, height },
      colorScheme: dark ? 'dark' : 'light',
      reducedMotion: 'reduce',
    });
    context.setDefaultTimeout(10_000);
    const page = await context.newPage();
    const watched = new TestPage(page, new URL(url).origin);
    await prepare?.(page);
    await page.goto(url);
    return watched;
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}

/** A page, and everything that went wrong in it. */
export class TestPage {
  readonly page: Page;
  readonly #problems: string[] = [];
  #tolerated: RegExp | undefined;

  constructor(page: Page, origin: string) {
    this.page = page;
    page.on('console', (message) => {
      const text = message.text();
      // the driver of the software renderer tells how fast it is
      if (text.includes('GL Driver Message')) return;
      if (message.type() === 'error' || message.type() === 'warning') this.#note(`${message.type()}: ${text}`);
    });
    page.on('pageerror', (error) => this.#note(`thrown: ${error.stack ?? error.message}`));
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (url.origin !== origin && url.protocol !== 'data:') this.#note(`request to ${request.url()}`);
    });
    page.on('dialog', (dialog) => {
      this.#note(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
  }

  /** Console errors, violations of the page's policy, exceptions, requests to others; without what is tolerated. */
  problems(): string[] {
    return this.#problems.filter((text) => this.#tolerated === undefined || !this.#tolerated.test(text));
  }

  /** What a test brings about itself: answers that are errors, a server that is gone. */
  tolerate(pattern: RegExp): void {
    this.#tolerated = pattern;
  }

  /** Resolves when the picture is drawn. */
  async drawn(): Promise<void> {
    await this.page.waitForSelector('#canvas[data-drawn]');
  }

  /** For people to look at; `name` is the name of the file. */
  async screenshot(name: string): Promise<void> {
    await mkdir(screenshots, { recursive: true });
    await this.page.screenshot({ path: `${screenshots}${name}.png` });
  }

  /** What axe-core finds in a part of the page, a line each. */
  async accessibilityFaults(part = 'html'): Promise<string[]> {
    const source = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
    await this.page.evaluate(source);
    const found = (await this.page.evaluate(
      `axe.run('${part}', { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })`,
    )) as axe.AxeResults;
    return found.violations.flatMap(({ id, nodes }) =>
      nodes.map(({ html, any, all }) => {
        const reason = [...any, ...all].map(({ message }) => message).join('; ');
        return `${id}: ${html.slice(0, 160)}: ${reason}`;
      }),
    );
  }

  async close(): Promise<void> {
    await this.page.context().close();
  }

  #note(text: string): void {
    this.#problems.push(text);
  }
}
