import { Command, Option } from 'commander';
import { formatConnections, isEmptyConnections } from '../../controller/model/connection-set.ts';
import { counted } from '../../controller/model/counted.ts';
import type { CniName } from '../../controller/model/profile.ts';
import type { Connectivity } from '../../controller/policy/evaluate/connectivity.ts';
import { cniOption } from '../cni-option.ts';
import { loadEvaluator, unknownHint } from '../load-evaluator.ts';
import { connectionsJson, sideJson, sideText } from '../../controller/view/connection-json.ts';
import { writeJsonArray } from '../render/json-array.ts';
import { renderTable } from '../render/table.ts';
import type { Terminal } from '../terminal.ts';

interface Options {
  readonly output: 'table' | 'json' | 'dot';
  readonly cni: CniName;
}

const help = `
Example:
  $ nanoseg connectivity manifests/ --cni calico
  SOURCE                DESTINATION               ALLOWED   UNKNOWN
  shop/Deployment/cart  shop/Deployment/redis     TCP 6379

A pair of a workload with itself is one replica with another. External addresses are grouped by what the policies tell
apart. JSON: [{"source": S, "destination": D, "allowed": [{"protocol": "TCP", "ports": [[6379, 6379]]}]}] where S and D
are {"namespace", "kind", "name"} or {"cidrs": ["…"]}; what nobody can know without more facts stands in "unknown".
Pairs of which everything is unknown are in the table, and are counted on standard error otherwise.`;

export function connectivityCommand(terminal: Terminal): Command {
  return new Command('connectivity')
    .summary('list who may talk to whom under the policies of a directory')
    .description(
      'Lists which workloads may talk to which, and to which addresses outside, under the manifests and NetworkPolicies in DIR.',
    )
    .argument('<DIR>', 'directory or file of manifests and NetworkPolicies')
    .addOption(new Option('-o, --output <format>').choices(['table', 'json', 'dot']).default('table'))
    .addOption(cniOption('network plugin that decides where plugins disagree').default('generic'))
    .addHelpText('after', help)
    .action(async (directory: string, { output, cni }: Options) => {
      const evaluator = await loadEvaluator(directory, cni, terminal);
      if (evaluator.evaluation.index.keys.length === 0) terminal.err(`${directory} has no workloads\n`);
      const pairs = evaluator.connectivity();
      switch (output) {
        case 'table':
          terminal.out(renderTable(columns, [...pairs].map(row)));
          return;
        case 'json': {
          let left = 0;
          writeJsonArray(
            settled(pairs, () => left++),
            terminal.out,
          );
          if (left > 0)
            terminal.err(
              `${counted(left, 'pair is', 'pairs are')} left out, because all of what ${left === 1 ? 'it allows' : 'they allow'} is unknown. ${unknownHint(cni)}\n`,
            );
          return;
        }
        case 'dot':
          writeDot(pairs, terminal.out);
      }
    });
}

const columns = [{ title: 'SOURCE' }, { title: 'DESTINATION' }, { title: 'ALLOWED' }, { title: 'UNKNOWN' }];

function row({ source, destination, allowed, unknown }: Connectivity): string[] {
  return [
    sideText(source),
    sideText(destination),
    isEmptyConnections(allowed) ? '-' : formatConnections(allowed),
    isEmptyConnections(unknown) ? '' : formatConnections(unknown),
  ];
}

function* settled(pairs: Iterable<Connectivity>, leftOut: () => void): Generator<unknown> {
  for (const { source, destination, allowed, unknown } of pairs) {
    if (isEmptyConnections(allowed)) {
      leftOut();
      continue;
    }
    yield {
      source: sideJson(source),
      destination: sideJson(destination),
      allowed: connectionsJson(allowed),
      ...(isEmptyConnections(unknown) ? {} : { unknown: connectionsJson(unknown) }),
    };
  }
}

/** Graphviz; what is unknown is dashed. */
function writeDot(pairs: Iterable<Connectivity>, out: (text: string) => void): void {
  out('digraph connectivity {\n  rankdir=LR;\n  node [shape=box];\n');
  for (const { source, destination, allowed, unknown } of pairs) {
    const ends = `  ${JSON.stringify(sideText(source))} -> ${JSON.stringify(sideText(destination))}`;
    if (!isEmptyConnections(allowed)) out(`${ends} [label=${JSON.stringify(formatConnections(allowed))}];\n`);
    if (!isEmptyConnections(unknown)) {
      out(`${ends} [style=dashed, label=${JSON.stringify(`unknown: ${formatConnections(unknown)}`)}];\n`);
    }
  }
  out('}\n');
}
