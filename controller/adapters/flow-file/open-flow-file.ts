import type { Flow, FlowLoss, FlowSourceKind } from '../../model/flow.ts';
import { problem } from '../../model/problem.ts';
import type { FlowBatch, FlowSource, RejectedRecord } from '../../ports.ts';
import { calicoLines } from './calico-line.ts';
import { conntrackLines } from './conntrack-line.ts';
import { ContainerLog, type LoggedRecord } from './container-log.ts';
import { detectFormat } from './detect-format.ts';
import { DamagedFile, fileBytes } from './file-bytes.ts';
import { FlowFileError } from './flow-file-error.ts';
import { defaultFlowLimits, type FlowLimits } from './flow-limits.ts';
import { goldmaneLines } from './goldmane-line.ts';
import { hubbleLines } from './hubble-line.ts';
import { inspektorGadgetLines } from './inspektor-gadget-line.ts';
import type { LineOutcome, LineReader } from './line-outcome.ts';
import { nanosegLines } from './nanoseg-line.ts';
import { type TextBlock, textBlocks } from './text-blocks.ts';

export interface FlowFileOptions {
  /** @default told by the first records that belong to exactly one format */
  readonly format?: FlowSourceKind;
  /** Time of records that carry none. @default when the file was last written; for standard input the time of opening */
  readonly timeMs?: number;
  readonly limits?: Partial<FlowLimits>;
}

/**
 * A file of flows, or standard input for `-`: plain, gzip or zstd, in any of the formats of docs/flow-files.md. Reading
 * throws FlowFileError when the file cannot be read (InputNotFound), no record of it belongs to a known format
 * (FlowFormatUnknown), or none can be used (FlowFileUnusable); single bad records are in the batches.
 */
export function openFlowFile(path: string, options: FlowFileOptions = {}): FlowSource {
  const progress = { doneBytes: 0, totalBytes: undefined as number | undefined };
  return {
    name: path === '-' ? 'standard input' : path,
    progress: () => ({ ...progress }),
    async *batches(signal) {
      progress.doneBytes = 0;
      const { chunks, totalBytes, modifiedMs } = await fileBytes(
        path,
        (bytes) => {
          progress.doneBytes += bytes;
        },
        signal,
      );
      progress.totalBytes = totalBytes;
      const timeMs = Math.floor(options.timeMs ?? modifiedMs ?? Date.now());
      const limits = { ...defaultFlowLimits, ...options.limits };
      const records = new FlowRecords(this.name, options.format, timeMs, limits);
      try {
        for await (const block of textBlocks(chunks, limits.lineBytes)) {
          signal.throwIfAborted();
          records.read(block);
          const batch = records.takeBatch();
          if (batch.records > 0) yield batch;
        }
      } catch (error) {
        if (!(error instanceof DamagedFile)) throw error;
        records.reject(`the compressed data is damaged or ends early: ${error.message}`);
      }
      records.finish();
      const last = records.takeBatch();
      if (last.records > 0) yield last;
      records.throwIfUnusable();
    },
  };
}

/** So many records may come before the first one that tells the format. */
const detectionRecords = 1000;

function readerOf(format: FlowSourceKind, limits: FlowLimits, timeMs: number): LineReader {
  switch (format) {
    case 'hubble':
      return hubbleLines(limits);
    case 'goldmane':
      return goldmaneLines(limits);
    case 'calico':
      return calicoLines(limits);
    case 'conntrack':
      return conntrackLines(timeMs);
    case 'inspektor-gadget':
      return inspektorGadgetLines(limits, timeMs);
    case 'nanoseg':
      return nanosegLines(limits);
  }
}

/** The state of reading one file: which line we are at, which format it is, and the batch under way. */
class FlowRecords {
  readonly #name: string;
  readonly #limits: FlowLimits;
  readonly #timeMs: number;
  readonly #log: ContainerLog;
  #reader: LineReader | undefined;
  /** Records that came before the format was known. */
  #waiting: LoggedRecord[] = [];
  #line = 0;
  #usable = 0;
  /** Why nothing could be used, should it come to that. */
  #firstRejected: RejectedRecord | undefined;
  #flows: Flow[] = [];
  #losses: FlowLoss[] = [];
  #rejected: RejectedRecord[] = [];
  #records = 0;
  #skipped = 0;

  constructor(name: string, format: FlowSourceKind | undefined, timeMs: number, limits: FlowLimits) {
    this.#name = name;
    this.#limits = limits;
    this.#timeMs = timeMs;
    this.#log = new ContainerLog(limits.lineBytes);
    if (format !== undefined) this.#reader = readerOf(format, limits, timeMs);
  }

  read(block: TextBlock): void {
    const { text } = block;
    if (block.tooLong) {
      this.#line++;
      this.#rejectAt(this.#line, this.#tooLong());
      return;
    }
    let from = 0;
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      this.#readLine(text.slice(from, to), block.isUtf8);
      from = to + 1;
    }
    this.#readLine(text.slice(from), block.isUtf8);
  }

  #readLine(line: string, isUtf8: boolean): void {
    this.#line++;
    const first = line.charCodeAt(0);
    if (!(first > 32) && line.trim() === '') return;
    // A character is at most three bytes, so only lines near the limit need to be measured.
    if (line.length * 3 > this.#limits.lineBytes && Buffer.byteLength(line) > this.#limits.lineBytes) {
      this.#rejectAt(this.#line, this.#tooLong());
    } else if (!isUtf8 && line.includes('\ufffd')) {
      this.#rejectAt(this.#line, 'not UTF-8 text');
    } else if (first === openingBrace && this.#reader !== undefined) {
      this.#count(this.#reader(line, undefined), this.#line);
    } else this.#unwrap(first === byteOrderMark ? line.slice(1) : line);
  }

  #unwrap(line: string): void {
    const record = this.#log.unwrap(line, this.#line);
    if (record === 'partial') return;
    if ('tooLongFrom' in record) this.#rejectAt(record.tooLongFrom, this.#tooLong());
    else if (record.text.trim() === '') return;
    else if (this.#reader !== undefined) this.#count(this.#reader(record.text, record.loggedMs), record.line);
    else this.#detect(record);
  }

  #detect(record: LoggedRecord): void {
    this.#waiting.push(record);
    const format = detectFormat([record.text]);
    if (format !== undefined) {
      const reader = readerOf(format, this.#limits, this.#timeMs);
      this.#reader = reader;
      for (const { text, loggedMs, line } of this.#waiting) this.#count(reader(text, loggedMs), line);
      this.#waiting = [];
    } else if (this.#waiting.length > detectionRecords) throw this.#unknownFormat();
  }

  #count(outcome: LineOutcome, line: number): void {
    if (outcome.kind === 'several') {
      for (const each of outcome.outcomes) this.#count(each, line);
      return;
    }
    this.#records++;
    switch (outcome.kind) {
      case 'flow':
        this.#flows.push(outcome.flow);
        this.#usable++;
        break;
      case 'losses':
        this.#losses.push(...outcome.losses);
        this.#usable++;
        break;
      case 'skipped':
        this.#skipped++;
        this.#usable++;
        break;
      case 'rejected': {
        const rejected = { where: `${this.#name}:${line}`, reason: outcome.reason };
        this.#firstRejected ??= rejected;
        this.#rejected.push(rejected);
        break;
      }
    }
  }

  /** Rejects what stands after the last line read. */
  reject(reason: string): void {
    this.#rejectAt(this.#line + 1, reason);
  }

  #rejectAt(line: number, reason: string): void {
    this.#count({ kind: 'rejected', reason }, line);
  }

  #tooLong(): string {
    return `longer than ${this.#limits.lineBytes} bytes (limit: line length)`;
  }

  finish(): void {
    for (const line of this.#log.unfinished())
      this.#rejectAt(line, 'a partial line of a container log without its end');
    if (this.#waiting.length > 0) throw this.#unknownFormat();
  }

  takeBatch(): FlowBatch {
    const batch: FlowBatch = {
      flows: this.#flows,
      losses: this.#losses,
      rejected: this.#rejected,
      records: this.#records,
      skipped: this.#skipped,
    };
    this.#flows = [];
    this.#losses = [];
    this.#rejected = [];
    this.#records = 0;
    this.#skipped = 0;
    return batch;
  }

  throwIfUnusable(): void {
    if (this.#usable > 0) return;
    throw new FlowFileError(
      problem(
        'FlowFileUnusable',
        `the flow file has no usable line: ${this.#whyUnusable()}`,
        this.#firstRejected?.where ?? this.#name,
      ),
    );
  }

  #whyUnusable(): string {
    const reason = this.#firstRejected?.reason;
    if (this.#line === 0) return reason ?? 'it is empty';
    if (reason === undefined) return 'all of its lines are blank';
    return `none of its ${this.#line} lines can be used; ${reason}`;
  }

  #unknownFormat(): FlowFileError {
    const message = `none of the first ${this.#waiting.length} records is a flow of a format that nanoseg reads`;
    return new FlowFileError(problem('FlowFormatUnknown', message, `${this.#name}:${this.#waiting[0]?.line ?? 1}`));
  }
}

const openingBrace = 0x7b;
const byteOrderMark = 0xfeff;
