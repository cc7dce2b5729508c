import { Command, Option } from 'commander';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import { type PolicyProposal, type ProposalState, proposalStates } from '../../controller/model/policy-proposal.ts';
import { problem } from '../../controller/model/problem.ts';
import { renderYamlDocuments } from '../../controller/policy/render-yaml.ts';
import { addConnectionOptions, type Connect, type Connection, type ConnectionOptions } from '../connection.ts';
import { isKind } from '../../controller/view/kind-names.ts';
import { listProposals } from '../list-proposals.ts';
import { parseState } from '../parse-state.ts';
import { proposalColumns, proposalRow } from '../render/proposal-table.ts';
import { renderTable, tableLine } from '../render/table.ts';
import { InputError, type Terminal } from '../terminal.ts';

interface Options extends ConnectionOptions {
  readonly state: readonly ProposalState[];
  readonly workload?: string;
  readonly watch?: boolean;
  readonly output: 'table' | 'wide' | 'json' | 'yaml' | 'name';
}

const help = `
Examples:
  $ nanoseg proposals -A
  NAMESPACE  WORKLOAD         STATE  CHANGE  RULES  COVERAGE  CLOSES          OVER-GRANT  REVISION  AGE
  shop       deployment/cart  Ready  New         2     99.7%  41 of 43 pairs  none               -   3m
  $ nanoseg proposals -n shop --state Ready -o name
  $ nanoseg proposals --workspace . --watch

CLOSES is how many of the ordered pairs of workloads that can reach each other now cannot any more. REVISION is what is in
force. -o json and -o yaml are the PolicyProposals as they are stored (kubectl explain policyproposal).`;

export function proposalsCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('proposals')
    .summary('list proposals')
    .description('Lists the proposals of a namespace, of all of them, or of a workspace directory.')
    .addOption(
      new Option('--state <state...>', `only these states (${proposalStates.join(', ')})`)
        .argParser(parseState)
        .default([], 'all'),
    )
    .option('--workload <name>', 'only of this workload: name or kind/name')
    .option('-w, --watch', 'go on, and print each proposal again when it changes')
    .addOption(new Option('-o, --output <format>').choices(['table', 'wide', 'json', 'yaml', 'name']).default('table'));
  return addConnectionOptions(command)
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const connection = await connect(options);
      const read = async () => (await listProposals(connection.store, connection.namespace)).filter(fits(options));
      if (options.watch) return watch(read, options, terminal);
      const proposals = await read();
      if (proposals.length === 0) terminal.err(`${nothing(connection, options)}\n`);
      terminal.out(text(proposals, options.output));
    });
}

function fits({ state, workload }: Options): (proposal: PolicyProposal) => boolean {
  const parts = workload?.split('/') ?? [];
  const name = parts.at(-1);
  const kind = parts.length > 1 ? parts.at(-2) : undefined;
  return ({ spec, status }) =>
    (state.length === 0 || (status !== undefined && state.includes(status.state))) &&
    (name === undefined ||
      spec.workloads.some((each) => {
        const slash = each.indexOf('/');
        return each.slice(slash + 1) === name && (kind === undefined || isKind(each.slice(0, slash), kind));
      }));
}

function nothing({ namespace, workspace }: Connection, { state, workload }: Options): string {
  if (namespace === undefined && state.length === 0 && workload === undefined) {
    return 'no proposals yet: nanoseg status says whether a controller runs';
  }
  const where = namespace === undefined ? '' : ` in namespace ${namespace}`;
  const hint = namespace === undefined || workspace !== undefined ? '' : '; -A asks all namespaces';
  return `no such proposals${where}${hint}`;
}

function text(proposals: readonly PolicyProposal[], output: Options['output']): string {
  switch (output) {
    case 'table':
    case 'wide': {
      const wide = output === 'wide';
      const rows = proposals.map((proposal) => proposalRow(proposal, wide, Date.now()));
      return rows.length === 0 ? '' : renderTable(proposalColumns(wide), rows);
    }
    case 'json':
      return `${JSON.stringify(proposals, undefined, 2)}\n`;
    case 'yaml':
      return renderYamlDocuments(proposals);
    case 'name':
      return proposals.map(({ metadata }) => `${metadata.namespace}/${metadata.name}\n`).join('');
  }
}

const watchEveryMs = 1_000;

/** The table, and then a row for each proposal that is not as it was, until the person has seen enough. */
async function watch(read: () => Promise<PolicyProposal[]>, { output }: Options, terminal: Terminal): Promise<void> {
  if (output !== 'table' && output !== 'wide') {
    throw new InputError([problem('ArgumentInvalid', `--watch prints rows: -o ${output} does not go with it`)]);
  }
  const wide = output === 'wide';
  const signal = terminal.interrupted?.() ?? AbortSignal.abort();
  const known = new Map<string, readonly string[]>();
  let line: ((row: readonly string[]) => string) | undefined;
  let troubled = false;
  do {
    let proposals: readonly PolicyProposal[];
    try {
      proposals = await read();
      troubled = false;
    } catch (error) {
      if (line === undefined || !(error instanceof ClusterError) || !error.retryable) throw error;
      if (!troubled) terminal.err(`warning: ${error.message}; trying again\n`);
      troubled = true;
      await pause(signal);
      continue;
    }
    const rows = new Map(proposals.map((proposal) => [keyOf(proposal), proposalRow(proposal, wide, Date.now())]));
    const columns = proposalColumns(wide);
    if (line === undefined) {
      line = tableLine(columns, [...rows.values()]);
      terminal.out(`${line(columns.map(({ title }) => title))}\n`);
    }
    for (const [key, row] of rows) if (!sameRow(known.get(key), row)) terminal.out(`${line(row)}\n`);
    for (const [key, [namespace = '', name = '']] of known) {
      if (!rows.has(key)) terminal.out(`${line([namespace, name, 'Deleted'])}\n`);
    }
    known.clear();
    for (const [key, row] of rows) known.set(key, row);
    await pause(signal);
  } while (!signal.aborted);
}

function keyOf({ metadata }: PolicyProposal): string {
  return `${metadata.namespace}/${metadata.name}`;
}

const ageColumn = proposalColumns(false).findIndex(({ title }) => title === 'AGE');

function sameRow(before: readonly string[] | undefined, row: readonly string[]): boolean {
  return before !== undefined && row.every((cell, i) => i === ageColumn || cell === before[i]);
}

function pause(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(done, watchEveryMs);
    function done() {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    signal.addEventListener('abort', done);
  });
}
