import { Command, Option } from 'commander';
import { type ConnectionSet, formatConnections, isEmptyConnections } from '../../controller/model/connection-set.ts';
import type { CniName } from '../../controller/model/profile.ts';
import type { PairDifference } from '../../controller/policy/evaluate/difference.ts';
import { cniOption } from '../cni-option.ts';
import { loadEvaluator, unknownHint } from '../load-evaluator.ts';
import { connectionsJson, sideJson, sideText } from '../render/connection-json.ts';
import { writeJsonArray } from '../render/json-array.ts';
import { renderTable } from '../render/table.ts';
import { exitCode, type Terminal } from '../terminal.ts';

interface Options {
  readonly output: 'table' | 'json';
  readonly cni: CniName;
}

const help = `
Example:
  $ nanoseg diff before/ after/ --cni calico
  SOURCE                    DESTINATION            GAINED   LOST      UNCERTAIN
  shop/Deployment/frontend  shop/Deployment/redis           TCP 6379

Compares what may talk, not the text of policies. What is unknown in one of the two and different in the other is uncertain.
Exit 0: no difference. Exit 1: there is one.`;

export function diffCommand(terminal: Terminal): Command {
  return new Command('diff')
    .summary('list what may talk in one directory and not in the other')
    .description('Lists the pairs whose connectivity differs between the policies of two directories.')
    .argument('<DIR_A>', 'directory or file of manifests and NetworkPolicies, before')
    .argument('<DIR_B>', 'the same, after')
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'))
    .addOption(cniOption('network plugin that decides where plugins disagree').default('generic'))
    .addHelpText('after', help)
    .action(async (before: string, after: string, { output, cni }: Options) => {
      const old = await loadEvaluator(before, cni, terminal);
      const pairs = [...(await loadEvaluator(after, cni, terminal)).differenceFrom(old)];
      switch (output) {
        case 'json':
          writeJsonArray(pairs.map(pairJson), terminal.out);
          break;
        case 'table':
          terminal.out(pairs.length === 0 ? 'no difference in connectivity\n' : renderTable(columns, pairs.map(row)));
          break;
      }
      if (pairs.some(({ uncertain }) => !isEmptyConnections(uncertain))) terminal.err(`${unknownHint(cni)}\n`);
      if (pairs.length > 0) terminal.exit(exitCode.finding);
    });
}

const columns = [
  { title: 'SOURCE' },
  { title: 'DESTINATION' },
  { title: 'GAINED' },
  { title: 'LOST' },
  { title: 'UNCERTAIN' },
];

function row({ source, destination, gained, lost, uncertain }: PairDifference): string[] {
  const text = (set: ConnectionSet) => (isEmptyConnections(set) ? '' : formatConnections(set));
  return [sideText(source), sideText(destination), text(gained), text(lost), text(uncertain)];
}

function pairJson({ source, destination, gained, lost, uncertain }: PairDifference): unknown {
  return {
    source: sideJson(source),
    destination: sideJson(destination),
    gained: connectionsJson(gained),
    lost: connectionsJson(lost),
    ...(isEmptyConnections(uncertain) ? {} : { uncertain: connectionsJson(uncertain) }),
  };
}
