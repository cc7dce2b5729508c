import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type FlowFileOptions, openFlowFile } from '../../../controller/adapters/flow-file/open-flow-file.ts';
import type { Flow, FlowLoss, ObservedTime } from '../../../controller/model/flow.ts';
import type { FlowSource, RejectedRecord } from '../../../controller/ports.ts';

export interface WholeFile {
  readonly flows: Flow[];
  readonly losses: FlowLoss[];
  readonly observed: ObservedTime[];
  readonly rejected: RejectedRecord[];
  records: number;
  skipped: number;
}

export async function readAll(source: FlowSource, signal = new AbortController().signal): Promise<WholeFile> {
  const whole: WholeFile = { flows: [], losses: [], observed: [], rejected: [], records: 0, skipped: 0 };
  for await (const batch of source.batches(signal)) {
    whole.flows.push(...batch.flows);
    whole.losses.push(...batch.losses);
    whole.observed.push(...(batch.observed ?? []));
    whole.rejected.push(...batch.rejected);
    whole.records += batch.records;
    whole.skipped += batch.skipped;
  }
  return whole;
}

/** Runs `use` with the path of a file of this content and removes it afterwards. */
export async function withFile<T>(content: string | Buffer, use: (path: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'nanoseg-flows-'));
  try {
    const path = join(directory, 'flows');
    await writeFile(path, content);
    return await use(path);
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** All of a file of this content; positions of rejected records are line numbers alone. */
export async function readText(content: string | Buffer, options?: FlowFileOptions): Promise<WholeFile> {
  return withFile(content, async (path) => {
    const whole = await readAll(openFlowFile(path, options));
    return {
      ...whole,
      rejected: whole.rejected.map(({ where, reason }) => ({ where: where.replace(`${path}:`, ''), reason })),
    };
  });
}

/** One JSON object a line. */
export function jsonLines(...records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
