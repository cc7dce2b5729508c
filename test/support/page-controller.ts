import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePorts, type OwnedProcess, startOwned } from './owned-process.ts';

const program = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const example = fileURLToPath(new URL('../../examples/shop/', import.meta.url));
const withinMs = 60_000;

/** `nanoseg controller --http-port` on a workspace directory of its own. */
export class PageController {
  readonly directory: string;
  readonly port: number;
  #process: OwnedProcess | undefined;

  private constructor(directory: string, port: number) {
    this.directory = directory;
    this.port = port;
  }

  /** On a copy of the example. */
  static async onExample(): Promise<PageController> {
    const controller = await PageController.on({});
    for (const folder of ['cluster', 'flows', 'profiles']) {
      await cp(join(example, folder), join(controller.directory, folder), { recursive: true });
    }
    return controller;
  }

  /** On these files. */
  static async on(files: Readonly<Record<string, string>>): Promise<PageController> {
    const [port = 0] = await freePorts(1);
    const controller = new PageController(await mkdtemp(join(tmpdir(), 'nanoseg-page-')), port);
    await mkdir(join(controller.directory, 'flows'), { recursive: true });
    for (const [name, text] of Object.entries(files)) await controller.write(name, text);
    return controller;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  async write(name: string, text: string): Promise<void> {
    await mkdir(dirname(join(this.directory, name)), { recursive: true });
    await writeFile(join(this.directory, name), text);
  }

  /** Resolves when it answers, and so many proposals are there. */
  async start(proposals = 1): Promise<void> {
    const { directory, port } = this;
    const options = ['--workspace', directory, '--flows', join(directory, 'flows'), '--http-port', `${port}`];
    this.#process = startOwned(
      process.execPath,
      [program, 'controller', ...options, '--interval', '1s', '--flush', '1s'],
      join(directory, 'controller.log'),
    );
    const deadline = Date.now() + withinMs;
    while ((await this.#proposals()) < proposals) {
      const end = this.#process.exited();
      if (end !== undefined || Date.now() > deadline) {
        throw new Error(`no ${proposals} proposals (${end ?? 'it runs'}): ${await this.#process.log()}`);
      }
      await sleep(50);
    }
  }

  /** At once, with no chance to say goodbye. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  async close(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #proposals(): Promise<number> {
    try {
      const reply = await fetch(`${this.url}api/v1/proposals`);
      const { items = [] } = (await reply.json()) as { items?: readonly { readonly state: string }[] };
      return items.filter(({ state }) => state !== 'New').length;
    } catch {
      // it does not listen yet
      return 0;
    }
  }
}
