import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { followFlowFile } from '../../../controller/adapters/flow-file/follow-flow-file.ts';
import { encodeLoss } from '../../../controller/adapters/flow-file/nanoseg-line.ts';
import type { FlowBatch, FlowSource, SourcePosition } from '../../../controller/ports.ts';
import { flowSourceContract, type FlowSourceWorld } from '../../contract/flow-source.ts';
import { linesOf, pushedFlow } from '../../support/push-world.ts';

const pollMs = 15;

/** Somebody who writes a file; whoever follows it reads it whenever he likes. */
async function fileWorld(): Promise<FlowSourceWorld> {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-follow-'));
  const path = join(directory, 'flows.jsonl');
  await writeFile(path, '');
  let readers = 0;
  let played = 0;
  return {
    source: (position?: SourcePosition): FlowSource => {
      const source = followFlowFile(path, { pollMs, position });
      return {
        name: source.name,
        progress: () => source.progress(),
        async *batches(signal): AsyncGenerator<FlowBatch, void, void> {
          readers++;
          try {
            yield* source.batches(signal);
          } finally {
            readers--;
          }
        },
      };
    },
    play: async (count, node) => {
      const timeMs = Date.now();
      const flows = Array.from({ length: count }, () => pushedFlow({ timeMs, node, port: 1_000 + played++ }));
      await appendFile(path, linesOf(...flows));
      return flows;
    },
    readers: () => readers,
    resumes: true,
    lose: async (node) => {
      const loss = { source: 'conntrack', node, events: 7, kind: 'lost' } as const;
      await appendFile(path, `${encodeLoss({ ...loss, timeMs: Date.now() })}\n`);
      return loss;
    },
    sendMalformed: () => appendFile(path, '{"nanoseg":\n'),
    close: () => rm(directory, { recursive: true }),
  };
}

// nothing is connected, and who writes waits for nobody
flowSourceContract(test, 'a file that is followed', ['lose', 'sendMalformed'], fileWorld);
