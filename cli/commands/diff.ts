import { Command, Option } from 'commander';
import { type ConnectionSet, formatConnections, isEmptyConnections } from '../../controller/model/connection-set.ts';
import type { CniName } from '../../controller/model/profile.ts';
import type { PairDifference } from '../../controller/policy/evaluate/difference.ts';
import { cniOption } from '../cni-option.ts';
import { addConnectionOptions, type Connect, type ConnectionOptions } from '../connection.ts';
import { loadEvaluator, unknownHint } from '../load-evaluator.ts';
import { pairJson, sideText } from '../../controller/view/connection-json.ts';
import { writeJsonArray } from '../render/json-array.ts';
import { renderTable } from '../render/table.ts';
import { resolveProposals } from '../resolve-proposal.ts';
import { exitCode, type Terminal } from '../terminal.ts';
import { diffProposal } from '../diff-proposal.ts';

interface Options extends ConnectionOptions {
  readonly output: 'table' | 'json';
  readonly cni: CniName;
  readonly previous?: boolean;
  readonly newer?: boolean;
}

const help = `
Examples:
  $ nanoseg diff shop/cart
  $ nanoseg diff shop/cart --previous
  $ nanoseg diff before/ after/ --cni calico
  SOURCE                    DESTINATION            GAINED   LOST      UNCERTAIN
  shop/Deployment/frontend  shop/Deployment/redis           TCP 6379

Of a proposal, the text of its policies is compared with what is in force (--previous: with what stood in it before; --newer: with
what nanoseg would write by now), and who may talk now with who may talk then. Of two directories, what may talk is compared, not
the text. What is unknown in one of the two and different in the other is uncertain.
Exit 0: no difference. Exit 1: there is one.`;

export function diffCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('diff')
    .summary('compare a proposal with what is in force, or what may talk in two directories')
    .description('Compares a proposal with what is in force, or the policies of two directories.')
    .argument('<NAME|DIR_A>', 'proposal; or directory or file of manifests and NetworkPolicies, before')
    .argument('[DIR_B]', 'the same, after')
    .addOption(new Option('--previous', 'what changed since the former version under review').conflicts('newer'))
    .option('--newer', 'what nanoseg would write where a person edited')
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'))
    .addOption(cniOption('network plugin that decides where plugins disagree (of two directories)').default('generic'));
  return addConnectionOptions(command, false)
    .addHelpText('after', help)
    .action(async (first: string, second: string | undefined, options: Options) => {
      if (second !== undefined) return diffDirectories(first, second, options, terminal);
      const connection = await connect(options);
      const [proposal] = await resolveProposals(connection, [first]);
      const comparison = options.previous ? 'previous' : options.newer ? 'newer' : 'in force';
      if (proposal) await diffProposal(connection, proposal, comparison, options.output, terminal);
    });
}

async function diffDirectories(
  before: string,
  after: string,
  { output, cni }: Options,
  terminal: Terminal,
): Promise<void> {
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
