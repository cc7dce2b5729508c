import { Command, Option } from 'commander';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { type Problem, problem } from '../../controller/model/problem.ts';
import { clusterProblem } from '../../controller/serving/cluster-problem.ts';
import { exitCodeOf } from '../cluster-exit.ts';
import { addConnectionOptions, type Connect, type Connection, type ConnectionOptions } from '../connection.ts';
import { isCurrent, shortDigest } from '../../controller/view/decided.ts';
import { refOf } from '../../controller/serving/decide.ts';
import { discard, editText } from '../edit-text.ts';
import { proposedPolicies } from '../proposed-policies.ts';
import { groupedItems, notAmong } from '../../controller/view/listed-items.ts';
import { printable } from '../render/printable.ts';
import { reportProblems } from '../report-problems.ts';
import { proposalName } from '../../controller/view/proposal-names.ts';
import { resolveProposals } from '../resolve-proposal.ts';
import { exitCode, InputError, type Terminal } from '../terminal.ts';
import { parseDuration } from '../time-options.ts';

interface Options extends ConnectionOptions {
  readonly reset?: boolean;
  readonly wait: number;
}

const help = `
Examples:
  $ nanoseg edit shop/cart
  $ EDITOR="code --wait" nanoseg edit cart -n shop
  $ nanoseg edit shop/cart --reset

Opens the policies in VISUAL or EDITOR (vi without them). What is saved is proved again and gets another digest, so that former
approvals of it are void. What cannot be read as NetworkPolicies of the namespace is not saved, and kept in its file. nanoseg
never writes over an edit: --reset gives the proposal back to it.
Exit 3: it was saved and its proof failed, so that nothing can approve it.`;

export function editCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('edit')
    .summary('edit the policies of a proposal before it is approved')
    .description('Edits the policies of a proposal.')
    .argument('<NAME>', 'proposal')
    .option('--reset', "drop the edit: ask for nanoseg's own policies again")
    .addOption(
      new Option('--wait <duration>', 'how long to wait for the proof of the new text; 0: not at all')
        .argParser(parseDuration)
        .default(10_000, '10s'),
    );
  return addConnectionOptions(command, false)
    .addHelpText('after', help)
    .action(async (name: string, options: Options) => {
      const connection = await connect(options);
      const [proposal] = await resolveProposals(connection, [name]);
      if (proposal === undefined) return;
      const saved = options.reset ? await save(connection, proposal, '') : await edited(connection, proposal, terminal);
      if (saved === undefined) return;
      terminal.out(`${proposalName(proposal)}: ${options.reset ? 'reset' : 'saved'}\n`);
      const { text, valid } = await proved(connection, saved, options.wait);
      terminal.out(printable(text, true));
      if (!valid) terminal.exit(exitCode.proof);
    });
}

async function edited(
  connection: Connection,
  proposal: PolicyProposal,
  terminal: Terminal,
): Promise<PolicyProposal | undefined> {
  const { namespace, name } = proposal.metadata;
  const before = proposal.spec.policies;
  const editor = process.env['VISUAL'] || process.env['EDITOR'] || 'vi';
  const result = await editText(before, `${namespace}-${name}.yaml`, editor);
  if (result.text === before) {
    await discard(result);
    terminal.err('nothing changed, nothing saved\n');
    return undefined;
  }
  const kept = (problems: readonly Problem[]) =>
    new InputError([
      ...problems,
      problem('EditUnusable', `${proposalName(proposal)} is as it was; your text is kept in ${result.file}`),
    ]);
  const { policies, problems } = proposedPolicies(result.text, result.file, namespace);
  if (problems.length > 0) throw kept(problems);
  if (policies.length === 0) throw kept([problem('EditUnusable', 'the text holds no NetworkPolicy', result.file)]);
  try {
    const saved = await save(connection, proposal, result.text);
    await discard(result);
    return saved;
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    reportProblems(kept([clusterProblem(error)]).problems, terminal);
    terminal.exit(exitCodeOf(error));
    return undefined;
  }
}

function save({ store }: Connection, proposal: PolicyProposal, policies: string): Promise<PolicyProposal> {
  return store.update<PolicyProposal>({ ...proposal, spec: { ...proposal.spec, policies } });
}

const pollMs = 200;

/** What the controller says of the new text; `valid` as long as it has not found that its proof fails. */
async function proved(
  { store }: Connection,
  saved: PolicyProposal,
  waitMs: number,
): Promise<{ readonly text: string; readonly valid: boolean }> {
  const deadline = Date.now() + waitMs;
  const stale = saved.status?.digest;
  for (;;) {
    const now = await store.get<PolicyProposal>(refOf(saved));
    const { status } = now ?? {};
    const looked =
      now !== undefined && isCurrent(now) && (now.metadata.generation !== undefined || status?.digest !== stale);
    if (looked && status !== undefined) {
      const { state, message, digest, proof } = status;
      const wouldDeny = groupedItems(notAmong(proof.wouldDeny, status.heldBack)).map(
        (line) => `  would deny ${line}\n`,
      );
      const grants = proof.overGrants.map((grant) => `  also allows ${grant}\n`);
      const text = `  ${state}, ${shortDigest(digest)}: ${message}\n${[...wouldDeny, ...grants].join('')}`;
      return { text, valid: state !== 'Invalid' };
    }
    if (Date.now() >= deadline) return { text: '  the controller has not proved it yet\n', valid: true };
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}
