import { dirname } from 'node:path';
import type { RecordedFile } from '../../controller/adapters/flow-file/recording-files.ts';
import { counted } from '../../controller/model/counted.ts';
import type { RecordedSource } from '../../controller/recorder.ts';
import { printable } from './printable.ts';

export interface RecordingSummary {
  readonly startMs: number;
  readonly endMs: number;
  /** None where the lines went to standard output. */
  readonly files: readonly RecordedFile[];
  readonly sources: readonly RecordedSource[];
}

/** `recording  1204 flows  120 flows/s  2 losses  3.1 MiB`. */
export function recordingProgress(
  sources: readonly RecordedSource[],
  bytes: number | undefined,
  elapsedMs: number,
): string {
  const { flows, losses } = totals(sources);
  const rate = Math.round((flows * 1_000) / Math.max(1, elapsedMs));
  return [
    'recording',
    counted(flows, 'flow'),
    `${rate} flows/s`,
    counted(losses, 'loss', 'losses'),
    ...(bytes === undefined ? [] : [sizeWords(bytes)]),
  ].join('  ');
}

/** What became of a source, for people. */
export function sourceWords({ name, state, message }: RecordedSource): string {
  // failures of connections name the source themselves
  const said = message.includes(name) ? message : `${name}: ${message}`;
  switch (state) {
    case 'running':
      return printable(`${name}: it delivers again`);
    case 'ended':
      return printable(`${name}: it has no more`);
    case 'retrying':
      return printable(`warning: ${said} (asked again)`);
    case 'failed':
      return printable(`error: ${said}`);
  }
}

export function recordingTable({ startMs, endMs, files, sources }: RecordingSummary): string {
  const { flows, losses, rejected } = totals(sources);
  const seconds = Math.round((endMs - startMs) / 1_000);
  const lines = [`recorded ${counted(flows, 'flow')} and ${counted(losses, 'loss', 'losses')} in ${seconds} s`];
  for (const { path, bytes, lines: count } of files) {
    lines.push(printable(`  ${path}  ${counted(count, 'line')}  ${sizeWords(bytes)}`));
  }
  const [first, second] = files;
  if (first !== undefined) {
    const names = second === undefined ? first.path : dirname(first.path);
    lines.push(printable(`next: nanoseg analyze --cluster cluster.yaml --flows ${names}`));
  }
  return `${lines.join('\n')}\n${rejected === 0 ? '' : rejectedWords(sources, rejected)}`;
}

export function recordingJson({ startMs, endMs, files, sources }: RecordingSummary): object {
  return {
    start: new Date(startMs).toISOString(),
    end: new Date(endMs).toISOString(),
    ...totals(sources),
    files: files.map(({ path, bytes, lines }) => ({ file: path, bytes, lines })),
    sources: sources.map(({ name, state, message, delivered, records, flows, losses, rejected, rejections }) => ({
      name,
      state,
      message,
      delivered,
      records,
      flows,
      losses,
      rejected,
      rejections,
    })),
  };
}

function rejectedWords(sources: readonly RecordedSource[], rejected: number): string {
  const shown = sources.flatMap(({ rejections }) => rejections).map(({ where, reason }) => `  ${where}: ${reason}`);
  const head = `warning: ${counted(rejected, 'record')} could not be used and ${rejected === 1 ? 'is' : 'are'} not in the recording:`;
  return printable(`${[head, ...shown].join('\n')}\n`, true);
}

function totals(sources: readonly RecordedSource[]): { flows: number; losses: number; rejected: number } {
  const sum = (field: 'flows' | 'losses' | 'rejected') => sources.reduce((total, source) => total + source[field], 0);
  return { flows: sum('flows'), losses: sum('losses'), rejected: sum('rejected') };
}

/** `900 B`, `3.1 MiB`. */
export function sizeWords(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${(bytes / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`;
}
