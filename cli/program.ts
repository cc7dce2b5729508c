import { Command, CommanderError } from 'commander';
import { ClusterError } from '../controller/model/cluster-error.ts';
import { clusterProblem } from '../controller/serving/cluster-problem.ts';
import { exitCodeOf } from './cluster-exit.ts';
import { agentCommand } from './commands/agent.ts';
import { analyzeCommand } from './commands/analyze.ts';
import { approveCommand } from './commands/approve.ts';
import { auditCommand } from './commands/audit.ts';
import { completeCommand, completionCommand } from './commands/completion.ts';
import { connectivityCommand } from './commands/connectivity.ts';
import { controllerCommand } from './commands/controller.ts';
import { deviationsCommand } from './commands/deviations.ts';
import { diffCommand } from './commands/diff.ts';
import { editCommand } from './commands/edit.ts';
import { explainCommand } from './commands/explain.ts';
import { graphCommand } from './commands/graph.ts';
import { proposalsCommand } from './commands/proposals.ts';
import { recordCommand } from './commands/record.ts';
import { rejectCommand } from './commands/reject.ts';
import { resumeCommand } from './commands/resume.ts';
import { retireCommand } from './commands/retire.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { showCommand } from './commands/show.ts';
import { statusCommand } from './commands/status.ts';
import { stopCommand } from './commands/stop.ts';
import { uiCommand } from './commands/ui.ts';
import { verifyCommand } from './commands/verify.ts';
import { connectWith } from './connect.ts';
import type { Connect } from './connection.ts';
import { reportProblems } from './report-problems.ts';
import { exitCode, InputError, type Terminal } from './terminal.ts';

const exitCodeHelp = `
Exit codes: 0 fine, 1 a finding (traffic would be denied, something differs, a decision counts for nothing), 2 unusable input,
3 a failed proof, 4 the cluster cannot be reached or does not permit it.
Results go to standard output, progress and warnings to standard error.`;

const operation = 'Operation:';

function program(terminal: Terminal, version: string, connect: Connect): Command {
  const root = new Command(terminal.program ?? 'nanoseg')
    .description(
      'Turns observed container traffic into the smallest NetworkPolicies that keep exactly that traffic working.',
    )
    .version(version)
    .enablePositionalOptions()
    .commandsGroup(operation)
    .helpCommand(true)
    .showSuggestionAfterError()
    .showHelpAfterError('(--help shows what there is)')
    .addHelpText('after', exitCodeHelp);
  for (const [heading, commands] of commandGroups(terminal, version, connect, () => root)) {
    for (const command of commands) root.addCommand(command.copyInheritedSettings(root).helpGroup(heading));
  }
  root.addCommand(completeCommand(terminal, connect).copyInheritedSettings(root), { hidden: true });
  return root;
}

/** In the order in which `nanoseg --help` lists them. */
function commandGroups(
  terminal: Terminal,
  version: string,
  connect: Connect,
  root: () => Command,
): readonly (readonly [heading: string, commands: readonly Command[]])[] {
  return [
    [
      'Analysis of files:',
      [
        analyzeCommand(terminal),
        verifyCommand(terminal),
        connectivityCommand(terminal),
        explainCommand(terminal),
        graphCommand(terminal),
      ],
    ],
    [
      'Proposals and decisions:',
      [
        proposalsCommand(terminal, connect),
        showCommand(terminal, connect),
        diffCommand(terminal, connect),
        editCommand(terminal, connect),
        approveCommand(terminal, connect),
        rejectCommand(terminal, connect),
        rollbackCommand(terminal, connect),
        retireCommand(terminal, connect),
      ],
    ],
    [
      operation,
      [
        controllerCommand(terminal, version),
        agentCommand(terminal),
        recordCommand(terminal),
        statusCommand(terminal, connect),
        uiCommand(terminal),
        deviationsCommand(terminal, connect),
        auditCommand(terminal, connect),
        stopCommand(terminal, connect),
        resumeCommand(terminal, connect),
        completionCommand(terminal, root),
      ],
    ],
  ];
}

/** Runs one command line (without node and script) to its exit code; never throws for what a user can cause. */
export async function run(
  args: readonly string[],
  terminal: Terminal,
  version: string,
  connect?: Connect,
): Promise<number> {
  let code: number = exitCode.ok;
  const recording: Terminal = { ...terminal, exit: (wanted) => (code = wanted) };
  const root = program(recording, version, connect ?? connectWith(version, recording));
  for (const command of [root, ...root.commands.flatMap((each) => [each, ...each.commands])]) {
    command.exitOverride().configureOutput({ writeOut: asTyped(recording), writeErr: recording.err });
  }
  try {
    await root.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.input;
    if (error instanceof ClusterError) {
      reportProblems([clusterProblem(error)], recording);
      return exitCodeOf(error);
    }
    if (!(error instanceof InputError)) throw error;
    reportProblems(error.problems, recording);
    return exitCode.input;
  }
}

/** Help, with its examples as people type them: the plugin is called `kubectl nanoseg`. */
function asTyped({ out, program: name = 'nanoseg' }: Terminal): (text: string) => void {
  return (text) => out(text.replaceAll('$ nanoseg ', `$ ${name} `));
}
