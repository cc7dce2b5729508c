import { open, readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { z } from 'zod';
import type { AuditEntry, AuditLog, AuditRecord, AuditVerdict, Clock } from '../../ports.ts';
import { writeDurably } from '../workspace/durable-file.ts';
import { isErrno } from '../workspace/errno.ts';
import { WorkspaceLock } from '../workspace/workspace-lock.ts';
import { workspacePaths } from '../workspace/workspace-paths.ts';
import { fileLines } from './file-lines.ts';
import { GroupCommit } from './group-commit.ts';
import {
  AuditDamaged,
  type ChainHead,
  type ChainLine,
  chained,
  emptyChain,
  endOf,
  lineOf,
  provedEntries,
  recordId,
  verdictOf,
} from './hash-chain.ts';
import { RecentRecords } from './recent-records.ts';

/** Kept in a second file, which is written after the log: what is behind it in the log was never acknowledged. */
interface FileHead extends ChainHead {
  /** Length of the log. */
  readonly bytes: number;
}

/** What was found at the end of the log. */
interface Tail {
  /** Length up to the entry that the head names. */
  end: number;
  /** Where a line behind it begins that has no end. */
  tornAt: number | undefined;
}

const looksAtTornLine = 4;
const pauseMs = 50;

const emptyHead: FileHead = { ...emptyChain, bytes: 0 };
const headSchema = z.strictObject({
  sequence: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: z.int().min(0),
});

/**
 * The audit log of a workspace: hash-chained JSON lines in audit.jsonl, and where they end in audit.head.json. An entry is
 * acknowledged when both are on the disk. Any number of processes may append; a log that is damaged is not appended to.
 */
export class FileAuditLog implements AuditLog {
  readonly #log: string;
  readonly #headFile: string;
  readonly #lock: WorkspaceLock;
  readonly #commits = new GroupCommit<AuditRecord>((records) => this.#lock.hold(() => this.#appendAll(records)));
  readonly #clock: Clock;
  #recent = new RecentRecords();
  #known: FileHead | undefined;
  #cutOff: number | undefined;

  constructor({ root, clock }: { readonly root: string; readonly clock: Clock }) {
    const { audit, auditHead } = workspacePaths(root);
    this.#log = audit;
    this.#headFile = auditHead;
    this.#clock = clock;
    this.#lock = new WorkspaceLock(root, clock, 'audit.lock');
  }

  /**
   * Proves the log and makes it ready to be appended to; says in a sentence what a crash had left to repair. Rejects with
   * AuditDamaged. The first append does it too.
   */
  async open(): Promise<string | undefined> {
    await this.#lock.hold(() => this.#recover());
    if (this.#cutOff === undefined) return undefined;
    return `entry ${this.#cutOff} of the audit log was cut off while it was written, and never acknowledged: it was taken away`;
  }

  append(record: AuditRecord): Promise<void> {
    return this.#commits.add(record);
  }

  async *entries(): AsyncIterable<AuditEntry> {
    yield* this.#proved({ end: 0, tornAt: undefined });
  }

  /** A log that is being appended to is proved as far as it is acknowledged. */
  verify(): Promise<AuditVerdict> {
    return verdictOf(this.#proveStanding());
  }

  async #proveStanding(): Promise<ChainHead> {
    for (let attempt = 1; ; attempt++) {
      const tail: Tail = { end: 0, tornAt: undefined };
      const last = await endOf(this.#proved(tail));
      if (tail.tornAt === undefined) return last;
      const torn = 'the line was cut off while it was written, and never acknowledged; the controller takes it away';
      if (attempt === looksAtTornLine) throw new AuditDamaged(`${basename(this.#log)}:${last.sequence + 1}`, torn);
      // somebody may be in the middle of writing it
      await this.#clock.sleep(pauseMs, new AbortController().signal);
    }
  }

  async *#proved(tail: Tail): AsyncIterable<AuditEntry> {
    const head = await this.#readHead();
    const end = head ?? emptyHead;
    let entries = 0;
    for await (const entry of provedEntries(this.#lines(end, tail), end, basename(this.#log))) {
      yield entry;
      entries++;
    }
    if (head === undefined && (entries > 0 || tail.tornAt !== undefined)) {
      throw new AuditDamaged(basename(this.#headFile), 'the file is missing, so that a cut could not be seen');
    }
    if (tail.end !== end.bytes) {
      throw new AuditDamaged(basename(this.#headFile), 'it does not fit the log: one of them was changed');
    }
  }

  async #appendAll(records: readonly AuditRecord[]): Promise<void> {
    const head = this.#known !== undefined && (await this.#endsAt(this.#known)) ? this.#known : await this.#recover();
    const fresh = new Map<string, AuditRecord>();
    for (const record of records) if (!this.#recent.has(record)) fresh.set(recordId(record), record);
    if (fresh.size === 0) return;
    let text = '';
    let last: ChainHead = head;
    for (const record of fresh.values()) {
      const entry = chained(record, last);
      text += `${lineOf(entry)}\n`;
      last = entry;
    }
    // until it is known how this ends, the next append has to look
    this.#known = undefined;
    await using file = await open(this.#log, 'a');
    await file.writeFile(text);
    await file.sync();
    const { sequence, hash } = last;
    this.#known = await this.#writeHead({ sequence, hash, bytes: head.bytes + Buffer.byteLength(text) });
    for (const record of fresh.values()) this.#recent.add(record);
  }

  /** Whether nobody has written to the log since. */
  async #endsAt(known: FileHead): Promise<boolean> {
    const size = await sizeOf(this.#log);
    return size === known.bytes && (await this.#readHead())?.hash === known.hash;
  }

  /** Whole entries behind the head are taken, and one that is not whole is cut off: nobody was told that it is there. */
  async #recover(): Promise<FileHead> {
    if ((await sizeOf(this.#log)) === 0 && (await this.#readHead()) === undefined) await this.#writeHead(emptyHead);
    const tail: Tail = { end: 0, tornAt: undefined };
    this.#recent = new RecentRecords();
    let last: ChainHead = emptyChain;
    for await (const entry of this.#proved(tail)) {
      this.#recent.add(entry);
      last = entry;
    }
    await using file = await open(this.#log, 'a');
    if (tail.tornAt !== undefined) await file.truncate(tail.tornAt);
    const { size } = await file.stat();
    await file.sync();
    this.#known = await this.#writeHead({ sequence: last.sequence, hash: last.hash, bytes: size });
    this.#cutOff = tail.tornAt === undefined ? this.#cutOff : last.sequence + 1;
    return this.#known;
  }

  /** Notes in `tail` how the log ends. */
  async *#lines(head: FileHead, tail: Tail): AsyncIterableIterator<ChainLine> {
    let end = 0;
    for await (const line of fileLines(this.#log)) {
      if (!line.complete && end >= head.bytes) {
        tail.tornAt = end;
        return;
      }
      end = line.end;
      if (line.number === head.sequence) tail.end = end;
      yield { text: line.text ?? '', where: `${basename(this.#log)}:${line.number}` };
    }
  }

  async #readHead(): Promise<FileHead | undefined> {
    let text: string;
    try {
      text = await readFile(this.#headFile, 'utf8');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
    const parsed = headSchema.safeParse(jsonOf(text));
    if (parsed.success && headText(parsed.data) === text) return parsed.data;
    throw new AuditDamaged(basename(this.#headFile), 'the file is not as it was written');
  }

  async #writeHead(head: FileHead): Promise<FileHead> {
    await writeDurably(this.#headFile, headText(head));
    return head;
  }
}

function headText({ sequence, hash, bytes }: FileHead): string {
  return `${JSON.stringify({ sequence, hash, bytes })}\n`;
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
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
