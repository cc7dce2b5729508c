import { Command, Option } from 'commander';
import type { Deviation, PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { addConnectionOptions, type Connect, type ConnectionOptions } from '../connection.ts';
import { listProposals } from '../list-proposals.ts';
import { age } from '../render/age.ts';
import { connectionIdWords } from '../../controller/view/connection-words.ts';
import { printable } from '../render/printable.ts';
import { renderTable } from '../render/table.ts';
import { resolveProposals } from '../resolve-proposal.ts';
import { workloadWords } from '../../controller/view/proposal-names.ts';
import { exitCode, type Terminal } from '../terminal.ts';

interface Options extends ConnectionOptions {
  readonly output: 'table' | 'json';
}

const help = `
Examples:
  $ nanoseg deviations -A
  NAMESPACE  WORKLOAD         VERDICT  TIMES  FIRST  LAST  CONNECTION
  shop       deployment/cart  denied       3     2h    4m  shop/Deployment/batch > shop/Deployment/cart TCP 8080
  $ nanoseg deviations shop/cart -o json

A deviation is a connection outside of what the policies in force were made from. denied: the policies stopped it. passed: it went
through although they deny it, so that they are not enforced.
Exit 0: there is none. Exit 1: there are some.`;

export function deviationsCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('deviations')
    .summary('list connections outside of what is enforced')
    .description('Lists the connections of enforced workloads that nobody approved.')
    .argument('[NAME...]', 'proposals (default: all)')
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'));
  return addConnectionOptions(command)
    .addHelpText('after', help)
    .action(async (names: string[], options: Options) => {
      const connection = await connect(options);
      const proposals =
        names.length > 0
          ? await resolveProposals(connection, names)
          : await listProposals(connection.store, connection.namespace);
      const found = proposals.flatMap((proposal) =>
        (proposal.status?.deviations ?? []).map((deviation) => ({ proposal, deviation })),
      );
      switch (options.output) {
        case 'table':
          if (found.length === 0) terminal.err('no deviations\n');
          else terminal.out(renderTable(columns, found.map(row)));
          break;
        case 'json':
          terminal.out(`${JSON.stringify(found.map(json), undefined, 2)}\n`);
          break;
      }
      if (found.length > 0) terminal.exit(exitCode.finding);
    });
}

interface Found {
  readonly proposal: PolicyProposal;
  readonly deviation: Deviation;
}

const columns = [
  { title: 'NAMESPACE' },
  { title: 'WORKLOAD' },
  { title: 'VERDICT' },
  { title: 'TIMES', align: 'right' },
  { title: 'FIRST', align: 'right' },
  { title: 'LAST', align: 'right' },
  { title: 'CONNECTION' },
] as const;

function row({ proposal, deviation }: Found): string[] {
  const { verdict, times, firstSeen, lastSeen, connection } = deviation;
  const now = Date.now();
  const cells = [proposal.metadata.namespace, workloadWords(proposal), verdict, `${times}`];
  return [...cells, age(firstSeen, now), age(lastSeen, now), connectionIdWords(connection)].map((cell) =>
    printable(cell),
  );
}

function json({ proposal, deviation }: Found): unknown {
  const { namespace, name } = proposal.metadata;
  return { namespace, proposal: name, workloads: proposal.spec.workloads, ...deviation };
}
