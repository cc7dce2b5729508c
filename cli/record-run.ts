import { stat } from 'node:fs/promises';
import { conntrackSource } from '../controller/adapters/conntrack/conntrack-source.ts';
import { FlowFileError } from '../controller/adapters/flow-file/flow-file-error.ts';
import { followFlowFile } from '../controller/adapters/flow-file/follow-flow-file.ts';
import { openFlowFile } from '../controller/adapters/flow-file/open-flow-file.ts';
import { RecordingFiles } from '../controller/adapters/flow-file/recording-files.ts';
import { systemClock } from '../controller/adapters/system-clock.ts';
import { liveSources } from '../controller/intake/live-sources.ts';
import { counted } from '../controller/model/counted.ts';
import { type Problem, problem } from '../controller/model/problem.ts';
import type { FlowSource } from '../controller/ports.ts';
import { Recorder, type Recording } from '../controller/recorder.ts';
import { printable } from './render/printable.ts';
import {
  recordingJson,
  recordingProgress,
  recordingTable,
  sizeWords,
  sourceWords,
} from './render/recording-summary.ts';
import { type SourceOptions, sourcesOf } from './source-options.ts';
import { StatusLine } from './status-line.ts';
import { exitCode, InputError, type Terminal } from './terminal.ts';

/** What the command line of a recording says; times in milliseconds, sizes in bytes. */
export interface RecordOptions extends SourceOptions {
  readonly conntrack?: boolean;
  readonly node: string;
  readonly flows: readonly string[];
  readonly out: string;
  readonly for?: number;
  readonly rotateSize?: number;
  readonly rotateEvery?: number;
  readonly keep?: number;
  readonly flush: number;
  readonly output: 'table' | 'json';
}

/** Records until it was long enough, a person ends it, or no source has more. Throws InputError. */
export async function record(options: RecordOptions, terminal: Terminal): Promise<void> {
  const opened = await openSources(options);
  try {
    await recordFrom(opened, options, terminal);
  } catch (error) {
    if (error instanceof FlowFileError) throw new InputError([error.problem]);
    throw error;
  }
}

interface OpenedSources {
  readonly sources: readonly FlowSource[];
  /** What a person should know of them, as of now. */
  readonly findings: () => readonly Problem[];
}

/** Throws InputError when there is nothing to record. */
async function openSources(options: RecordOptions): Promise<OpenedSources> {
  const live = liveSources(sourcesOf(options), { positions: new Map(), clock: systemClock });
  const files = await Promise.all(
    options.flows.map(async (path) => {
      if (path === '-') return openFlowFile(path);
      if ((await stat(path).catch(() => undefined))?.isDirectory()) {
        throw new InputError([problem('ArgumentInvalid', 'a directory cannot be recorded: name its files', path)]);
      }
      return followFlowFile(path);
    }),
  );
  const conntrack = options.conntrack ? [conntrackSource({ node: options.node, clock: systemClock })] : [];
  const sources = [...live, ...conntrack, ...files];
  if (sources.length > 0) return { sources, findings: () => conntrack.flatMap(({ findings }) => findings) };
  throw new InputError([problem('ArgumentInvalid', 'nothing to record: name a source, as with --hubble ADDRESS')]);
}

async function recordFrom(
  { sources, findings }: OpenedSources,
  options: RecordOptions,
  terminal: Terminal,
): Promise<void> {
  const startMs = systemClock.now();
  const isPiped = options.out === '-';
  const line = new StatusLine(terminal);
  let told: ReadonlySet<string> = new Set();
  const files = isPiped ? undefined : await openFiles(options, line);
  const recorder = new Recorder({
    sources,
    recording: files ?? linesOn(terminal),
    clock: systemClock,
    random: Math.random,
    onState: (source) => line.say(sourceWords(source)),
    onTick: () => {
      line.show(recordingProgress(recorder.sources, files?.bytes, systemClock.now() - startMs));
      const found = findings().map(findingWords);
      for (const words of found) if (!told.has(words)) line.say(words);
      told = new Set(found);
    },
  });
  const end = new AbortController();
  const stop = () => end.abort();
  terminal.interrupted?.().addEventListener('abort', stop);
  if (options.for !== undefined) void systemClock.sleep(options.for, end.signal).then(stop, () => undefined);
  try {
    await recorder.run(end.signal);
  } finally {
    stop();
    await files?.close();
    line.clear();
  }
  const summary = { startMs, endMs: systemClock.now(), files: files?.files ?? [], sources: recorder.sources };
  const text = options.output === 'table' ? recordingTable(summary) : `${JSON.stringify(recordingJson(summary))}\n`;
  // standard output is the recording itself then
  (isPiped ? terminal.err : terminal.out)(text);
  if (recorder.sources.some(({ state }) => state === 'failed')) terminal.exit(exitCode.input);
  // nothing of it is in the recording, and not because nothing happened
  else if (recorder.sources.some(({ state, delivered }) => state === 'retrying' && !delivered)) {
    terminal.exit(exitCode.cluster);
  }
}

function findingWords({ where, message, code }: Problem): string {
  return printable(`warning: ${where === '' ? '' : `${where}: `}${message} (${code})`);
}

function openFiles(options: RecordOptions, line: StatusLine): Promise<RecordingFiles> {
  return RecordingFiles.open({
    path: options.out,
    rotateBytes: options.rotateSize,
    rotateMs: options.rotateEvery,
    keep: options.keep,
    flushMs: options.flush,
    clock: systemClock,
    onFile: ({ path, bytes, lines }) =>
      line.say(printable(`${path} is complete: ${counted(lines, 'line')}, ${sizeWords(bytes)}`)),
  });
}

function linesOn({ out }: Terminal): Recording {
  return {
    write: async (lines) => {
      if (lines.length > 0) out(`${lines.join('\n')}\n`);
    },
    tick: async () => undefined,
  };
}
