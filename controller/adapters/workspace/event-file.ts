import { appendFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import type { Clock, EventRecorder } from '../../ports.ts';
import { isErrno } from './errno.ts';
import { volatileFolder } from './workspace-lock.ts';

export interface EventFileOptions {
  readonly root: string;
  readonly clock: Clock;
  /** When the file is as large as this, it takes the place of the one before it. @default 1 MiB */
  readonly mostBytes?: number;
}

/**
 * Events of a workspace, as JSON lines in .nanoseg/events.jsonl and, of what came before, events.1.jsonl. Best effort:
 * what cannot be written is lost and counted.
 */
export class EventFile implements EventRecorder {
  readonly #root: string;
  readonly #clock: Clock;
  readonly #mostBytes: number;
  #waiting = '';
  #writing: Promise<void> | undefined;
  #lost = 0;

  constructor({ root, clock, mostBytes = 1024 * 1024 }: EventFileOptions) {
    this.#root = root;
    this.#clock = clock;
    this.#mostBytes = mostBytes;
  }

  /** Events that could not be written. */
  get lost(): number {
    return this.#lost;
  }

  record(subject: KubernetesObject | ObjectRef, type: 'Normal' | 'Warning', reason: string, message: string): void {
    const { kind } = subject;
    const { namespace = '', name } = 'metadata' in subject ? subject.metadata : subject;
    const time = new Date(this.#clock.now()).toISOString();
    this.#waiting += `${JSON.stringify({ time, type, reason, kind, namespace, name, message })}\n`;
    this.#writing ??= this.#write();
  }

  /** Resolves when everything recorded so far is written or lost. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    // what is recorded in one go is written in one go
    await Promise.resolve();
    while (this.#waiting !== '') {
      const text = this.#waiting;
      this.#waiting = '';
      try {
        const file = join(await volatileFolder(this.#root), 'events.jsonl');
        if ((await sizeOf(file)) >= this.#mostBytes) await rename(file, file.replace(/\.jsonl$/, '.1.jsonl'));
        await appendFile(file, text);
      } catch (error) {
        if (!(error instanceof Error) || !('syscall' in error)) throw error;
        this.#lost += text.split('\n').length - 1;
      }
    }
    this.#writing = undefined;
  }
}

async function sizeOf(file: string): Promise<number> {
  try {
    return (await stat(file)).size;
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return 0;
    throw error;
  }
}
