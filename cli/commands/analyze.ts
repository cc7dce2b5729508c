import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { type Analysis, analyse } from '../../controller/analysis.ts';
import { counted } from '../../controller/model/counted.ts';
import { problem } from '../../controller/model/problem.ts';
import type { Profile } from '../../controller/model/profile.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { type DialectName, dialectNames } from '../../controller/policy/dialects/dialect.ts';
import { dialect } from '../../controller/policy/dialects/dialects.ts';
import { addObservationOptions, type ObservationOptions, observeTraffic, reportLeftOut } from '../observe-traffic.ts';
import { ProgressBar } from '../progress-bar.ts';
import { type AnalysisReport, analysisReport, policyFile } from '../render/analysis-report.ts';
import { analysisTable } from '../render/analysis-table.ts';
import { exitCode, InputError, type Terminal } from '../terminal.ts';

interface Options extends ObservationOptions {
  readonly out?: string;
  readonly namespace: readonly string[];
  readonly dialect: DialectName;
  readonly output: 'table' | 'json' | 'yaml';
  readonly comments: boolean;
}

const help = `
Examples:
  $ nanoseg analyze --cluster manifests/ --flows hubble.jsonl --out policies/
  $ kubectl get ns,deploy,sts,ds,rs,cj,job,po,svc,endpointslices,no,netpol -A -o yaml > dump.yaml
  $ hubble observe -o jsonpb --since 24h | nanoseg analyze --cluster dump.yaml --flows - --cni cilium --dialect cilium

The table says of each workload how many rules its policy has, the estimated share of its connections already seen, how
many of the pairs that are open now it closes, and what it allows beyond the evidence. Below stands everything that got no
rule, and why. -o json is the whole report, as --out writes it to report.json (docs/report.md); -o yaml is the policies.
A policy whose proof fails is never written, and ends the command with exit code 3.`;

export function analyzeCommand(terminal: Terminal): Command {
  const command = new Command('analyze')
    .summary('propose the smallest policies that keep the observed traffic working, each with a proof')
    .description('Reads what a cluster looks like and what was seen in it, and proposes one policy per workload.');
  return addObservationOptions(command)
    .option('--out <dir>', 'write one YAML file per policy and report.json there')
    .option('-n, --namespace <ns...>', 'only workloads of these namespaces, even exempt ones', [])
    .addOption(new Option('--dialect <name>', 'language of the policies').choices(dialectNames).default('kubernetes'))
    .addOption(new Option('-o, --output <format>').choices(['table', 'json', 'yaml']).default('table'))
    .option('--no-comments', 'leave out the comments that say in words what each rule allows and on what evidence')
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const observed = await observeTraffic(options, terminal);
      const { cluster, traffic, reading, problems } = observed;
      const missing = options.namespace.filter((name) => !cluster.namespaces.has(name));
      if (missing.length > 0) {
        throw new InputError(
          missing.map((name) => problem('NamespaceNotFound', `no namespace ${name} in the cluster`)),
        );
      }
      const profile = profileFor(options.dialect, observed.profile, terminal);
      const bar = new ProgressBar(terminal);
      const analysis = analyse({
        cluster,
        traffic,
        profile,
        dialect: dialect(options.dialect),
        comments: options.comments,
        namespaces: options.namespace,
        onProgress: (done, total) =>
          bar.update({ label: 'proving policies', done, total, items: done, unit: 'workloads' }),
      });
      bar.clear();
      const report = analysisReport({ analysis, reading, problems, cni: profile.cni, dialect: options.dialect });
      switch (options.output) {
        case 'table':
          terminal.out(analysisTable(analysis));
          break;
        case 'json':
          terminal.out(`${JSON.stringify(report, undefined, 2)}\n`);
          break;
        case 'yaml':
          terminal.out(
            policiesOf(analysis)
              .map(({ yaml }) => yaml)
              .join('---\n'),
          );
          break;
      }
      if (options.out !== undefined) await writeOutput(options.out, analysis, report, terminal);
      reportLeftOut(observed, terminal);
      if (report.totals.invalid > 0 || analysis.refusals.some(({ joint }) => joint && !joint.proof.valid)) {
        terminal.exit(exitCode.proof);
      }
    });
}

/** Only Cilium reads its own dialect: where nobody named the network plugin, the dialect does. */
function profileFor(name: DialectName, profile: Profile, terminal: Terminal): Profile {
  if (cniProfile(profile.cni).dialects.includes(name)) return profile;
  if (profile.cni === 'generic') return { ...profile, cni: 'cilium' };
  terminal.err(`warning: ${profile.cni} does not read policies of the dialect ${name}\n`);
  return profile;
}

/** Every policy whose proof is valid, as it may be applied. */
function policiesOf({ proposals, refusals }: Analysis): { readonly file: string; readonly yaml: string }[] {
  const proved = [...proposals, ...refusals.flatMap(({ joint }) => joint ?? [])];
  return proved.filter(({ proof }) => proof.valid).map(({ draft, yaml }) => ({ file: policyFile(draft), yaml }));
}

async function writeOutput(
  directory: string,
  analysis: Analysis,
  report: AnalysisReport,
  terminal: Terminal,
): Promise<void> {
  const policies = policiesOf(analysis);
  try {
    for (const { file, yaml } of policies) {
      const path = join(directory, file);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, yaml);
    }
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, 'report.json'), `${JSON.stringify(report, undefined, 2)}\n`);
    const written = new Set(policies.map(({ file }) => file));
    const entries = await readdir(directory, { recursive: true, withFileTypes: true });
    const stale = entries
      .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
      .map(({ parentPath, name }) => relative(directory, join(parentPath, name)))
      .filter((file) => !written.has(file))
      .sort();
    if (stale.length > 0) {
      terminal.err(`warning: ${directory} also holds policies that this run does not propose: ${stale.join(', ')}\n`);
    }
    terminal.err(`${counted(policies.length, 'policy', 'policies')} and report.json written to ${directory}\n`);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new InputError([problem('OutputUnwritable', error.message, directory)]);
  }
}
