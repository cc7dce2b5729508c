import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { FlowFileFormat } from './flow-file-format.ts';
import { problem } from '../../model/problem.ts';
import type { FlowBatch, RejectedRecord } from '../../ports.ts';
import { calicoLines } from './calico-line.ts';
import { conntrackLines } from './conntrack-line.ts';
import { ContainerLog, type LoggedRecord } from './container-log.ts';
import { detectFormat } from './detect-format.ts';
import { FlowFileError } from './flow-file-error.ts';
import type { FlowLimits } from './flow-limits.ts';
import { goldmaneLines } from './goldmane-line.ts';
import { hubbleLines } from './hubble-line.ts';
import { inspektorGadgetLines } from './inspektor-gadget-line.ts';
import type { LineOutcome, LineReader } from './line-outcome.ts';
import { nanosegLines } from './nanoseg-line.ts';
import type { TextBlock } from './text-blocks.ts';

/** So many records may come before the first one that tells the format. */
const detectionRecords = 1000;

function readerOf(format: FlowFileFormat, limits: FlowLimits, timeMs: number): LineReader {
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

/** Where reading goes on: after `line` lines. What stands up to `countedLine` was counted before; -1: nothing was. */
interface ResumedLines {
  readonly line: number;
  readonly countedLine: number;
}

/** Formats whose lines mean something only after those before them. */
export const rememberingFormats: ReadonlySet<FlowFileFormat> = new Set(['conntrack', 'calico', 'goldmane']);

/** The state of reading one file: which line we are at, which format it is, and the batch under way. */
export class FlowRecords {
  readonly #name: string;
  readonly #limits: FlowLimits;
  readonly #timeMs: number;
  readonly #log: ContainerLog;
  #reader: LineReader | undefined;
  /** Records that came before the format was known. */
  #waiting: LoggedRecord[] = [];
  #format: FlowFileFormat | undefined;
  #line: number;
  readonly #countedLine: number;
  #arrivedMs: number | undefined;
  #usable = 0;
  /** Why nothing could be used, should it come to that. */
  #firstRejected: RejectedRecord | undefined;
  #flows: Flow[] = [];
  #losses: FlowLoss[] = [];
  #observed: ObservedTime[] = [];
  #rejected: RejectedRecord[] = [];
  #records = 0;
  #skipped = 0;

  constructor(
    name: string,
    format: FlowFileFormat | undefined,
    timeMs: number,
    limits: FlowLimits,
    resumed: ResumedLines = { line: 0, countedLine: -1 },
  ) {
    this.#name = name;
    this.#limits = limits;
    this.#timeMs = timeMs;
    this.#log = new ContainerLog(limits.lineBytes);
    this.#line = resumed.line;
    this.#countedLine = resumed.countedLine;
    if (format !== undefined) this.#know(format);
  }

  /** Lines read so far. */
  get line(): number {
    return this.#line;
  }

  get format(): FlowFileFormat | undefined {
    return this.#format;
  }

  /** The first line of a record that is not complete or not understood yet; undefined when there is none. */
  get openLine(): number | undefined {
    const open = [...this.#log.unfinished(), ...this.#waiting.slice(0, 1).map(({ line }) => line)];
    return open.length === 0 ? undefined : Math.min(...open);
  }

  /** When the lines that come now were written, for records that carry no time. */
  arriveAt(timeMs: number): void {
    this.#arrivedMs = timeMs;
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
      this.#count(this.#reader(line, this.#arrivedMs), this.#line);
    } else this.#unwrap(first === byteOrderMark ? line.slice(1) : line);
  }

  #unwrap(line: string): void {
    const record = this.#log.unwrap(line, this.#line);
    if (record === 'partial') return;
    if ('tooLongFrom' in record) this.#rejectAt(record.tooLongFrom, this.#tooLong());
    else if (record.text.trim() === '') return;
    else if (this.#reader !== undefined) this.#count(this.#read(this.#reader, record), record.line);
    else this.#detect(record);
  }

  #detect(record: LoggedRecord): void {
    this.#waiting.push(record);
    const format = detectFormat([record.text]);
    if (format !== undefined) {
      const reader = this.#know(format);
      for (const waiting of this.#waiting) this.#count(this.#read(reader, waiting), waiting.line);
      this.#waiting = [];
    } else if (this.#waiting.length > detectionRecords) throw this.#unknownFormat();
  }

  #know(format: FlowFileFormat): LineReader {
    this.#format = format;
    return (this.#reader = readerOf(format, this.#limits, this.#timeMs));
  }

  #read(reader: LineReader, { text, loggedMs }: LoggedRecord): LineOutcome {
    return reader(text, loggedMs ?? this.#arrivedMs);
  }

  #count(outcome: LineOutcome, line: number): void {
    if (this.#line <= this.#countedLine) return;
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
      case 'observed':
        this.#observed.push(outcome.observed);
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
      observed: this.#observed,
      rejected: this.#rejected,
      records: this.#records,
      skipped: this.#skipped,
    };
    this.#flows = [];
    this.#losses = [];
    this.#observed = [];
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
