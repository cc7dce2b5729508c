import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { FlowFileError } from '../controller/adapters/flow-file/flow-file-error.ts';
import { openFlowFile } from '../controller/adapters/flow-file/open-flow-file.ts';
import { readCluster } from '../controller/adapters/workspace/read-cluster.ts';
import { readProfile } from '../controller/adapters/workspace/read-profile.ts';
import { FlowAttributor } from '../controller/attribution/attribute-flow.ts';
import { TrafficGraph } from '../controller/graph/traffic-graph.ts';
import { ingest, type IngestSummary } from '../controller/ingest.ts';
import { type Cluster, withCidrs, withObserved } from '../controller/model/cluster.ts';
import { counted } from '../controller/model/counted.ts';
import { type FlowFileFormat, flowFileFormats } from '../controller/adapters/flow-file/flow-file-format.ts';
import { type Problem, problem } from '../controller/model/problem.ts';
import { type CniName, defaultProfile, type Profile } from '../controller/model/profile.ts';
import { warnOfOtherPolicies } from './other-policies.ts';
import { cniOption } from './cni-option.ts';
import { ProgressBar } from './progress-bar.ts';
import { InputError, type Terminal } from './terminal.ts';

/** What a command line says of a cluster and of what was seen in it. */
export interface ObservationOptions {
  readonly cluster: readonly string[];
  /** Files, directories of files, or `-`. */
  readonly flows: readonly string[];
  readonly profile?: string | undefined;
  /** Wins over the profile's. */
  readonly cni?: CniName | undefined;
  readonly format?: FlowFileFormat | undefined;
  /** Anything that cannot be used ends the command. */
  readonly strict?: boolean | undefined;
}

/** The options of every command that reads a cluster and flows. */
export function addObservationOptions(command: Command): Command {
  return command
    .requiredOption('--cluster <path...>', 'directories or files of manifests or kubectl dumps')
    .requiredOption('--flows <file...>', 'files or directories of flows, plain, gzip or zstd; - for standard input')
    .addOption(
      new Option('--format <name>', 'format of the flow files, where it cannot be told by itself').choices(
        flowFileFormats,
      ),
    )
    .option('--profile <file>', 'SegmentationProfile (docs/profile.md)')
    .addOption(cniOption("network plugin; wins over the profile's"))
    .option('--strict', 'end with exit code 2 at the first record or manifest that cannot be used');
}

export interface ObservedCluster {
  readonly cluster: Cluster;
  readonly profile: Profile;
  readonly traffic: TrafficGraph;
  readonly reading: IngestSummary;
  /** What of the manifests could not be used; the rest was. */
  readonly problems: readonly Problem[];
}

/** Reads cluster, profile and flows into a traffic graph. Throws InputError for what cannot be worked with. */
export async function observeTraffic(options: ObservationOptions, terminal: Terminal): Promise<ObservedCluster> {
  const profile = await openProfile(options);
  const { cluster: inventory, problems, otherPolicies } = await readCluster(options.cluster);
  const fatal = problems.filter(({ code }) => options.strict || code === 'InputNotFound');
  if (fatal.length > 0) throw new InputError(fatal);
  if (inventory.workloads.size === 0) {
    throw new InputError([
      ...problems,
      problem('ClusterEmpty', `no workload was found in ${options.cluster.join(', ')}`),
    ]);
  }
  warnOfOtherPolicies(otherPolicies, terminal);
  const cluster = withCidrs(inventory, profile.clusterCidrs);
  const files = await flowFiles(options.flows);
  const sources = files.map((file) =>
    openFlowFile(file, options.format === undefined ? {} : { format: options.format }),
  );
  const attributor = new FlowAttributor(cluster);
  const traffic = new TrafficGraph({ binMs: profile.learning.binMs });
  const bar = new ProgressBar(terminal);
  try {
    const reading = await ingest(sources, attributor, traffic, {
      signal: new AbortController().signal,
      strict: options.strict ?? false,
      onProgress: ({ records, doneBytes, totalBytes }) =>
        bar.update({ label: 'reading flows', done: doneBytes, total: totalBytes, items: records, unit: 'records' }),
    });
    if (reading.stopped) {
      throw new InputError(reading.rejections.map(({ where, reason }) => problem('FlowRecordInvalid', reason, where)));
    }
    return { cluster: withObserved(cluster, attributor.observed), profile, traffic, reading, problems };
  } catch (error) {
    if (error instanceof FlowFileError) throw new InputError([error.problem]);
    throw error;
  } finally {
    bar.clear();
  }
}

async function openProfile({ profile: path, cni }: ObservationOptions): Promise<Profile> {
  const { profile, problems } =
    path === undefined ? { profile: defaultProfile, problems: [] } : await readProfile(path);
  if (problems.length > 0) throw new InputError(problems);
  return cni === undefined ? profile : { ...profile, cni };
}

/** What lies beside recordings in a directory and is none: hidden files, notes. */
const besides = /^\.|^(?:readme|licen[cs]e|origin)\b|\.md$/i;

/** The files that were named, and those of directories that were, in the order of their names. */
async function flowFiles(paths: readonly string[]): Promise<string[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      const found = path === '-' ? undefined : await stat(path).catch(() => undefined);
      if (!found?.isDirectory()) return [path];
      const entries = await readdir(path, { withFileTypes: true });
      const names = entries.filter((entry) => entry.isFile() && !besides.test(entry.name)).map(({ name }) => name);
      if (names.length === 0) throw new InputError([problem('InputNotFound', 'the directory holds no file', path)]);
      return names.sort().map((name) => join(path, name));
    }),
  );
  return lists.flat();
}

/** Says on standard error what of the input was left out, where it stands and why. */
export function reportLeftOut(
  { problems, reading }: Pick<ObservedCluster, 'problems' | 'reading'>,
  terminal: Terminal,
): void {
  for (const { where, message, code } of problems) {
    terminal.err(`warning: ${where === '' ? '' : `${where}: `}${message} (${code})\n`);
  }
  const { rejected, records, rejections, rejectionReasons, unattributed, contradictions } = reading;
  if (rejected > 0) {
    terminal.err(`warning: ${rejected} of ${records} flow records could not be used:\n`);
    for (const { where, reason } of rejections) terminal.err(`  ${where}: ${reason}\n`);
    if (rejected > rejections.length) {
      terminal.err(`  and ${rejected - rejections.length} more; by reason:\n`);
      for (const { reason, records: count } of rejectionReasons.slice(0, 10))
        terminal.err(`    ${count} x ${reason}\n`);
    }
  }
  if (unattributed.length > 0) {
    const parts = unattributed.map(({ reason, flows }) => `${flows} ${reason}`);
    terminal.err(`warning: sides of flows that nobody is known to own, which are no evidence: ${parts.join(', ')}\n`);
  }
  if (contradictions > 0) {
    terminal.err(
      `warning: ${counted(contradictions, 'flow names', 'flows name')} another pod than the inventory has for ${contradictions === 1 ? 'its' : 'their'} address; the name was believed\n`,
    );
  }
}
