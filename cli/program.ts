import { Command, CommanderError } from 'commander';
import { problemCodes } from '../controller/model/problem-codes.ts';
import { analyzeCommand } from './commands/analyze.ts';
import { connectivityCommand } from './commands/connectivity.ts';
import { diffCommand } from './commands/diff.ts';
import { explainCommand } from './commands/explain.ts';
import { graphCommand } from './commands/graph.ts';
import { verifyCommand } from './commands/verify.ts';
import { exitCode, InputError, type Terminal } from './terminal.ts';

const exitCodeHelp = `
Exit codes: 0 fine, 1 a finding (traffic would be denied, connectivity differs), 2 unusable input, 3 a failed proof.
Results go to standard output, progress and warnings to standard error.`;

function program(terminal: Terminal, version: string): Command {
  const root = new Command('nanoseg')
    .description(
      'Turns observed container traffic into the smallest NetworkPolicies that keep exactly that traffic working.',
    )
    .version(version)
    .showSuggestionAfterError()
    .showHelpAfterError('(nanoseg --help shows what there is)')
    .addHelpText('after', exitCodeHelp);
  for (const command of commands(terminal)) root.addCommand(command.copyInheritedSettings(root));
  return root;
}

/** In the order in which `nanoseg --help` lists them. */
function commands(terminal: Terminal): Command[] {
  return [
    analyzeCommand(terminal),
    verifyCommand(terminal),
    connectivityCommand(terminal),
    explainCommand(terminal),
    diffCommand(terminal),
    graphCommand(terminal),
  ];
}

/** Runs one command line (without node and script) to its exit code; never throws for what a user can cause. */
export async function run(args: readonly string[], terminal: Terminal, version: string): Promise<number> {
  let code: number = exitCode.ok;
  const recording: Terminal = { ...terminal, exit: (wanted) => (code = wanted) };
  const root = program(recording, version);
  for (const command of [root, ...root.commands]) {
    command.exitOverride().configureOutput({ writeOut: recording.out, writeErr: recording.err });
  }
  try {
    await root.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.input;
    if (!(error instanceof InputError)) throw error;
    for (const { code: problemCode, message, where } of error.problems) {
      recording.err(`error: ${where === '' ? '' : `${where}: `}${message} (${problemCode})\n`);
    }
    for (const problemCode of new Set(error.problems.map((problem) => problem.code))) {
      recording.err(`  ${problemCodes[problemCode].fix}\n`);
    }
    return exitCode.input;
  }
}
