import { hostname } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { problem } from '../../controller/model/problem.ts';
import type { RecordOptions } from '../record-run.ts';
import { addSourceOptions } from '../source-options.ts';
import { InputError, type Terminal } from '../terminal.ts';
import { parseDuration } from '../time-options.ts';

const help = `
Examples:
  $ nanoseg record --hubble tls://localhost:4245 --hubble-ca ca.crt --out flows.jsonl.gz --for 10m
  $ nanoseg record --goldmane localhost:7443 --goldmane-ca ca.crt --goldmane-cert tls.crt --goldmane-key tls.key --out flows.jsonl.gz
  $ nanoseg record --hubble unix:///var/run/cilium/hubble.sock --out /data/flows.jsonl.gz --rotate-size 100MiB --rotate-every 1h --keep 48
  $ nanoseg record --conntrack --out /var/tmp/node.jsonl.gz --for 24h
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
    .option('--conntrack', "connections that this machine's kernel tracks; needs the capability NET_ADMIN")
    .option('--node <name>', 'name of this machine, for --conntrack', process.env['NODE_NAME'] ?? hostname())
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
    .action(async (options: RecordOptions) => {
      if (options.keep !== undefined && options.rotateSize === undefined && options.rotateEvery === undefined) {
        throw new InputError([problem('ArgumentInvalid', '--keep goes with --rotate-size or --rotate-every')]);
      }
      // only this command needs all of the sources
      const { record } = await import('../record-run.ts');
      await record(options, terminal);
    });
}
