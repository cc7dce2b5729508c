import { stat } from 'node:fs/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import { FlowFileError } from '../../controller/adapters/flow-file/flow-file-error.ts';
import { followFlowFile } from '../../controller/adapters/flow-file/follow-flow-file.ts';
import { openFlowFile } from '../../controller/adapters/flow-file/open-flow-file.ts';
import { RecordingFiles } from '../../controller/adapters/flow-file/recording-files.ts';
import { systemClock } from '../../controller/adapters/system-clock.ts';
import { liveSources } from '../../controller/live-sources.ts';
import { counted } from '../../controller/model/counted.ts';
import { problem } from '../../controller/model/problem.ts';
import type { FlowSource } from '../../controller/ports.ts';
import { type RecordedSource, Recorder, type Recording } from '../../controller/recorder.ts';
import { printable } from '../render/printable.ts';
import {
  recordingJson,
  recordingProgress,
  recordingTable,
  sizeWords,
  sourceWords,
} from '../render/recording-summary.ts';
import { addSourceOptions, type SourceOptions, sourcesOf } from '../source-options.ts';
import { StatusLine } from '../status-line.ts';
import { exitCode, InputError, type Terminal } from '../terminal.ts';
import { parseDuration } from '../time-options.ts';

interface Options extends SourceOptions {
  readonly flows: readonly string[];
  readonly out: string;
  readonly for?: number;
  readonly rotateSize?: number;
  readonly rotateEvery?: number;
  readonly keep?: number;
  readonly flush: number;
  readonly output: 'table' | 'json';
}

const help = `
Examples:
  $ nanoseg record --hubble tls://localhost:4245 --hubble-ca ca.crt --out flows.jsonl.gz --for 10m
  $ nanoseg record --goldmane localhost:7443 --goldmane-ca ca.crt --goldmane-cert tls.crt --goldmane-key tls.key --out flows.jsonl.gz
  $ nanoseg record --hubble unix:///var/run/cilium/hubble.sock --out /data/flows.jsonl.gz --rotate-size 100MiB --rotate-every 1h --keep 48
  $ kubectl logs -f ds/conntrack | nanoseg record --flows - --out flows.jsonl.gz
  $ nanoseg analyze --cluster cluster.yaml --flows flows.jsonl.gz

Every flow is one line of nanoseg's own format (docs/flow-files.md), and so is everything that a source says to have lost:
analyze makes of a recording what the controller makes of the source. A file has its name when it is complete; until then a
dot stands before it. It can be read at every moment; a crash loses at most what came in the last --flush. Ctrl-C ends the
recording with a complete file. A source that breaks off is asked again; docs/sources.md says how each of them goes on.`;

/** `500KiB`, `100MiB`, `1GiB`, `64MB` or a number of bytes. */
function parseSize(text: string): number {
  const units = { '': 1, KB: 1e3, MB: 1e6, GB: 1e9, KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 } as const;
  const parts = /^(\d{1,6}|\d{1,12}(?=$))([KMG]i?B|)$/.exec(text);
  const bytes = parts === null ? 0 : Number(parts[1]) * units[parts[2] as keyof typeof units];
  if (bytes > 0) return bytes;
  throw new InvalidArgumentError('Write 100MiB, 1GiB or a number of bytes.');
}

function parseSpan(text: string): number {
  const ms = parseDuration(text);
  if (ms > 0) return ms;
  throw new InvalidArgumentError('Write 10s, 5m, 24h or 7d.');
}

function parseKeep(text: string): number {
  if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('Write how many, at least 1.');
}

export function recordCommand(terminal: Terminal): Command {
  const command = new Command('record')
    .summary('write what live sources see to files')
    .description("Writes the flows of live sources to files of nanoseg's own format, for analyze and verify.");
  return addSourceOptions(command)
    .option('--flows <file...>', 'files of flows, followed as they grow; - for standard input', [])
    .requiredOption('--out <file>', 'where to, compressed when it ends in .gz; - for standard output')
    .addOption(new Option('--for <time>', 'end after so long').argParser(parseSpan))
    .addOption(new Option('--rotate-size <size>', 'begin a new file when one has so many bytes').argParser(parseSize))
    .addOption(new Option('--rotate-every <time>', 'begin a new file so often').argParser(parseSpan))
    .addOption(new Option('--keep <files>', 'keep so many complete files').argParser(parseKeep))
    .addOption(
      new Option('--flush <time>', 'write what came in so often').argParser(parseDuration).default(5_000, '5s'),
    )
    .addOption(new Option('-o, --output <format>', 'of the summary').choices(['table', 'json']).default('table'))
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const sources = await openSources(options);
      if (options.keep !== undefined && options.rotateSize === undefined && options.rotateEvery === undefined) {
        throw new InputError([problem('ArgumentInvalid', '--keep goes with --rotate-size or --rotate-every')]);
      }
      try {
        await record(sources, options, terminal);
      } catch (error) {
        if (error instanceof FlowFileError) throw new InputError([error.problem]);
        throw error;
      }
    });
}

/** Throws InputError when there is nothing to record. */
async function openSources(options: Options): Promise<FlowSource[]> {
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
  const sources = [...live, ...files];
  if (sources.length > 0) return sources;
  throw new InputError([problem('ArgumentInvalid', 'nothing to record: name a source, as with --hubble ADDRESS')]);
}

async function record(sources: readonly FlowSource[], options: Options, terminal: Terminal): Promise<void> {
  const startMs = systemClock.now();
  const isPiped = options.out === '-';
  const line = new StatusLine(terminal);
  const files = isPiped ? undefined : await openFiles(options, line);
  const recorder = new Recorder({
    sources,
    recording: files ?? linesOn(terminal),
    clock: systemClock,
    random: Math.random,
    onState: (source) => line.say(sourceWords(source)),
    onTick: () => line.show(recordingProgress(recorder.sources, files?.bytes, systemClock.now() - startMs)),
  });
  try {
    await recorder.run(endOf(options, terminal));
  } finally {
    await files?.close();
    line.clear();
  }
  const summary = { startMs, endMs: systemClock.now(), files: files?.files ?? [], sources: recorder.sources };
  const text = options.output === 'table' ? recordingTable(summary) : `${JSON.stringify(recordingJson(summary))}\n`;
  // standard output is the recording itself then
  (isPiped ? terminal.err : terminal.out)(text);
  if (recorder.sources.some(wasUnreachable)) terminal.exit(exitCode.cluster);
}

function endOf({ for: forMs }: Options, { interrupted }: Terminal): AbortSignal {
  const signals = [interrupted?.(), forMs === undefined ? undefined : AbortSignal.timeout(forMs)];
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}

/** Nothing of it is in the recording, and not because nothing happened. */
function wasUnreachable({ state, delivered }: RecordedSource): boolean {
  return state === 'failed' || (state === 'retrying' && !delivered);
}

function openFiles(options: Options, line: StatusLine): Promise<RecordingFiles> {
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
