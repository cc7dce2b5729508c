import { Command, Option } from 'commander';
import { readPolicies } from '../../controller/adapters/workspace/read-cluster.ts';
import { problem } from '../../controller/model/problem.ts';
import { formatConnections } from '../../controller/model/connection-set.ts';
import type { NetworkPolicy } from '../../controller/model/network-policy.ts';
import { cniProfile } from '../../controller/policy/cni-profiles.ts';
import { indexCluster } from '../../controller/policy/evaluate/cluster-index.ts';
import { compilePolicies } from '../../controller/policy/evaluate/compile-policies.ts';
import { evaluator } from '../../controller/policy/evaluate/evaluator.ts';
import { type Replay, type ReplayedConnection, replay } from '../../controller/policy/replay.ts';
import { habitsIn, type SuspicionJudge, suspicionJudge } from '../../controller/policy/suspicion.ts';
import { unknownHint } from '../load-evaluator.ts';
import { addObservationOptions, type ObservationOptions, observeTraffic, reportLeftOut } from '../observe-traffic.ts';
import { warnOfOtherPolicies } from '../other-policies.ts';
import { connectionsJson } from '../../controller/view/connection-json.ts';
import { connectionWords } from '../../controller/view/connection-words.ts';
import { section } from '../render/section.ts';
import { exitCode, InputError, type Terminal } from '../terminal.ts';

interface Options extends ObservationOptions {
  readonly policies: readonly string[];
  readonly output: 'table' | 'json';
}

const help = `
Examples:
  $ nanoseg verify --cluster manifests/ --policies policies/ --flows hubble.jsonl
  $ nanoseg verify --cluster dump.yaml --policies hand-written/ --flows flows/ --cni calico -o json

The policies are judged together with those that the cluster has already; one of the same name takes the other's place.
The exit code is 1 when a connection that passed would be denied. Connections whose verdict hangs on what network plugins
do differently are listed apart: name the plugin with --cni.`;

export function verifyCommand(terminal: Terminal): Command {
  const command = new Command('verify')
    .summary('replay observed traffic against policies: what would be denied, what is granted and never used')
    .description('Replays what was seen against any NetworkPolicies, written by nanoseg or by hand.');
  return addObservationOptions(command)
    .requiredOption('--policies <path...>', 'directories or files of NetworkPolicies')
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'))
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const { policies, problems, otherPolicies } = await readPolicies(options.policies);
      if (problems.length > 0) throw new InputError(problems);
      warnOfOtherPolicies(otherPolicies, terminal);
      if (policies.length === 0) {
        const message = `no NetworkPolicy was found in ${options.policies.join(', ')}`;
        throw new InputError([problem('PoliciesMissing', message)]);
      }
      const observed = await observeTraffic(options, terminal);
      const { cluster, profile, traffic } = observed;
      const index = indexCluster(cluster);
      const inForce = replaced(cluster.policies, policies);
      const replayed = replay(traffic, evaluator(index, compilePolicies(index, inForce), cniProfile(profile.cni)));
      const suspicionOf = suspicionJudge(cluster, habitsIn(traffic), profile);
      const result = { ...replayed, denied: replayed.denied.map((denied) => withSuspicion(denied, suspicionOf)) };
      terminal.out(options.output === 'json' ? replayJson(result) : replayTable(result));
      reportLeftOut(observed, terminal);
      if (result.unknown.length > 0) terminal.err(`${unknownHint(profile.cni)}\n`);
      if (result.denied.length > 0) terminal.exit(exitCode.finding);
    });
}

/** A denied connection that analyze would have held back is told apart from one that a rule is missing for. */
function withSuspicion(denied: ReplayedConnection, suspicionOf: SuspicionJudge): ReplayedConnection {
  const because = suspicionOf(denied.connection)?.because;
  return because === undefined
    ? denied
    : { ...denied, message: `${denied.message} (analyze holds it back: ${because})` };
}

function replaced(existing: readonly NetworkPolicy[], given: readonly NetworkPolicy[]): NetworkPolicy[] {
  const names = new Set(given.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`));
  return [...existing.filter(({ metadata }) => !names.has(`${metadata.namespace}/${metadata.name}`)), ...given];
}

function replayTable({ allowed, denied, unknown, notJudged, unused }: Replay): string {
  const lines = (list: readonly ReplayedConnection[]) =>
    list.map(({ connection, message }) => `${connectionWords(connection)}: ${message}`);
  const sections = [
    section('Would be denied', lines(denied)),
    section('Depends on the network plugin or on unknown addresses', lines(unknown)),
    section('Not judged', lines(notJudged)),
    section(
      'Granted and never used',
      unused.map(
        ({ workload, direction, peer, connections }) =>
          `${workload} ${direction === 'ingress' ? 'from' : 'to'} ${peer}: ${formatConnections(connections)}`,
      ),
    ),
    `connections: ${allowed} stay allowed, ${denied.length} would be denied, ${unknown.length} unknown, ${notJudged.length} not judged; ${unused.length} unused grants\n`,
  ];
  return sections.filter((text) => text !== '').join('\n');
}

function replayJson({ allowed, denied, unknown, notJudged, unused }: Replay): string {
  const list = (connections: readonly ReplayedConnection[]) =>
    connections.map(({ connection: { id, evidence }, message }) => ({
      connection: id,
      seen: evidence.allowed + evidence.audited,
      message,
    }));
  const report = {
    allowed,
    denied: list(denied),
    unknown: list(unknown),
    notJudged: list(notJudged),
    unused: unused.map(({ connections, ...grant }) => ({ ...grant, connections: connectionsJson(connections) })),
  };
  return `${JSON.stringify(report, undefined, 2)}\n`;
}
