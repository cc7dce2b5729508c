import type { PushAnswer } from './push-answer.ts';
import type { PushedBatch, PushReceipt } from './push-intake.ts';
import type { PushRefusal } from './push-refusal.ts';
import type { PushTerms } from './push-terms.ts';

/** A way to write what is pushed, and the answers to it. */
export interface PushFormat {
  /** Rejects with PushRefusal. */
  read(bytes: AsyncIterable<Buffer>, terms: PushTerms): Promise<PushedBatch>;
  taken(receipt: PushReceipt): PushAnswer;
  refused(refusal: PushRefusal): PushAnswer;
}

/** A path that is pushed to, with its formats by their media types. */
export type PushRoute = ReadonlyMap<string, PushFormat>;
