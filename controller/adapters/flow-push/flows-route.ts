import { flowsAnswer, refusalAnswer } from './push-answer.ts';
import type { PushFormat, PushRoute } from './push-format.ts';
import { readPushedLines } from './pushed-lines.ts';

/** `POST /v1/flows`: lines of nanoseg's own format (docs/flow-files.md). */
export const flowsPath = '/v1/flows';

export function flowsRoute(mostLines: number): PushRoute {
  const lines: PushFormat = {
    read: (bytes, terms) => readPushedLines(bytes, terms, mostLines),
    taken: flowsAnswer,
    refused: refusalAnswer,
  };
  return new Map(['application/x-ndjson', 'application/ndjson', 'application/jsonl'].map((type) => [type, lines]));
}
