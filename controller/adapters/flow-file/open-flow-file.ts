import type { FlowFileFormat } from './flow-file-format.ts';
import type { FlowSource } from '../../ports.ts';
import { DamagedFile, fileBytes } from './file-bytes.ts';
import { defaultFlowLimits, type FlowLimits } from './flow-limits.ts';
import { FlowRecords } from './flow-records.ts';
import { textBlocks } from './text-blocks.ts';

export interface FlowFileOptions {
  /** @default told by the first records that belong to exactly one format */
  readonly format?: FlowFileFormat;
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
