import type { Flow, FlowLoss, ObservedTime } from '../../model/flow.ts';
import type { RejectedRecord } from '../../ports.ts';
import { defaultFlowLimits } from '../flow-file/flow-limits.ts';
import type { LineOutcome } from '../flow-file/line-outcome.ts';
import { nanosegLines } from '../flow-file/nanoseg-line.ts';
import { type TextBlock, textBlocks } from '../flow-file/text-blocks.ts';
import type { PushedBatch } from './push-intake.ts';
import { PushRefusal } from './push-refusal.ts';
import { judgeFlow, judgeLoss, judgeObserved, MissedFlows, type PushTerms } from './push-terms.ts';

/** Reads lines of nanoseg's own format. Throws PushRefusal when they are too many, or none of them can be read. */
export async function readPushedLines(
  bytes: AsyncIterable<Buffer>,
  terms: PushTerms,
  mostLines: number,
): Promise<PushedBatch> {
  const lines = new PushedLines(terms, mostLines);
  for await (const block of textBlocks(bytes, defaultFlowLimits.lineBytes)) lines.read(block);
  return lines.batch();
}

class PushedLines {
  readonly #terms: PushTerms;
  readonly #mostLines: number;
  readonly #read = nanosegLines(defaultFlowLimits);
  readonly #flows: Flow[] = [];
  readonly #losses: FlowLoss[] = [];
  readonly #observed: ObservedTime[] = [];
  readonly #rejected: RejectedRecord[] = [];
  readonly #missed = new MissedFlows();
  #line = 0;
  #records = 0;
  #readable = 0;

  constructor(terms: PushTerms, mostLines: number) {
    this.#terms = terms;
    this.#mostLines = mostLines;
  }

  read({ text, tooLong, isUtf8 }: TextBlock): void {
    if (tooLong) {
      this.#line++;
      this.#records++;
      this.#reject(`longer than ${defaultFlowLimits.lineBytes} bytes (limit: line length)`);
      return;
    }
    let from = 0;
    for (let to = text.indexOf('\n'); to >= 0; to = text.indexOf('\n', from)) {
      this.#readLine(text.slice(from, to), isUtf8);
      from = to + 1;
    }
    this.#readLine(text.slice(from), isUtf8);
  }

  batch(): PushedBatch {
    const [first] = this.#rejected;
    if (this.#readable === 0 && first !== undefined) {
      const what = 'expected JSON lines of docs/flow-files.md, of which none can be read';
      throw new PushRefusal('Malformed', `${what}; ${first.where}: ${first.reason}`);
    }
    return {
      flows: this.#flows,
      losses: [...this.#losses, ...this.#missed.losses(this.#terms)],
      observed: this.#observed,
      rejected: this.#rejected,
      records: this.#records,
      skipped: 0,
    };
  }

  #readLine(line: string, isUtf8: boolean): void {
    this.#line++;
    if (line.trim() === '') return;
    if (++this.#records > this.#mostLines) {
      throw new PushRefusal('TooLarge', `more than ${this.#mostLines} lines: send smaller batches`);
    }
    if (!isUtf8 && line.includes('\ufffd')) this.#reject('not UTF-8 text');
    else this.#take(this.#read(line, undefined));
  }

  #take(outcome: LineOutcome): void {
    switch (outcome.kind) {
      case 'flow':
        this.#readable++;
        this.#takeFlow(outcome.flow);
        break;
      case 'losses':
        this.#readable++;
        for (const loss of outcome.losses) this.#takeLoss(loss);
        break;
      case 'observed':
        this.#readable++;
        this.#takeObserved(outcome.observed);
        break;
      case 'rejected':
        this.#reject(outcome.reason);
        break;
      case 'skipped':
        break;
      case 'several':
        for (const each of outcome.outcomes) this.#take(each);
        break;
    }
  }

  #takeFlow(flow: Flow): void {
    const judged = judgeFlow(flow, this.#terms);
    if (judged.kind === 'taken') this.#flows.push(judged.flow);
    else {
      this.#reject(judged.reason);
      if (judged.lost) this.#missed.add(flow);
    }
  }

  #takeLoss(loss: FlowLoss): void {
    const judged = judgeLoss(loss, this.#terms);
    if (typeof judged === 'string') this.#reject(judged);
    else this.#losses.push(judged);
  }

  #takeObserved(time: ObservedTime): void {
    const judged = judgeObserved(time, this.#terms);
    if (typeof judged === 'string') this.#reject(judged);
    else this.#observed.push(judged);
  }

  #reject(reason: string): void {
    this.#rejected.push({ where: `line ${this.#line}`, reason });
  }
}
