import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePorts, type OwnedProcess, startOwned } from './owned-process.ts';

const program = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const example = fileURLToPath(new URL('../../examples/shop/', import.meta.url));

/** What a controller has to know before a test begins. */
export interface Readiness {
  readonly proposals?: number;
  readonly connections?: number;
  readonly withinMs?: number;
}

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

  /** Resolves when it answers, and so many proposals are looked at and connections were seen. */
  async start({ proposals = 0, connections = 1, withinMs = 60_000 }: Readiness): Promise<void> {
    const { directory, port } = this;
    const options = ['--workspace', directory, '--flows', join(directory, 'flows'), '--http-port', `${port}`];
    this.#process = startOwned(
      process.execPath,
      [program, 'controller', ...options, '--interval', '1s', '--flush', '1s'],
      join(directory, 'controller.log'),
    );
    const deadline = Date.now() + withinMs;
    for (;;) {
      const found = await Promise.all([this.#proposals(), this.#connections()]);
      if (found[0] >= proposals && found[1] >= connections) return;
      const end = this.#process.exited();
      if (end !== undefined || Date.now() > deadline) {
        throw new Error(
          `${found.join(' proposals, ')} connections (${end ?? 'it runs'}): ${await this.#process.log()}`,
        );
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
    const { items = [] } = await this.#ask<{ items?: readonly { readonly state: string }[] }>('proposals');
    return items.filter(({ state }) => state !== 'New').length;
  }

  async #connections(): Promise<number> {
    const { attributes } = await this.#ask<{ attributes?: { readonly connections: number } }>('graph');
    return attributes?.connections ?? 0;
  }

  async #ask<Answer extends object>(path: string): Promise<Answer | Record<string, never>> {
    try {
      return (await (await fetch(`${this.url}api/v1/${path}`)).json()) as Answer;
    } catch {
      // it does not listen yet
      return {};
    }
  }
}
