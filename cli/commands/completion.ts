import { Argument, Command, CommanderError } from 'commander';
import { ClusterError } from '../../controller/model/cluster-error.ts';
import { addConnectionOptions, type Connect, type ConnectionOptions } from '../connection.ts';
import { listProposals } from '../list-proposals.ts';
import { completionScript, type Shell, shells } from '../render/completion-script.ts';
import { workloadWords } from '../../controller/view/proposal-names.ts';
import { InputError, type Terminal } from '../terminal.ts';

const help = `
Examples:
  $ source <(nanoseg completion bash)
  $ nanoseg completion zsh > "\${fpath[1]}/_nanoseg"
  $ nanoseg completion fish | source

Commands and options are in the script; the names of proposals are asked when they are needed.`;

export function completionCommand(terminal: Terminal, root: () => Command): Command {
  return new Command('completion')
    .summary('print the completion script of a shell')
    .description('Prints a script that completes commands, options and the names of proposals.')
    .addArgument(new Argument('<shell>', 'which shell').choices(shells))
    .addHelpText('after', help)
    .action((shell: Shell) => {
      terminal.out(completionScript(shell, root()));
    });
}

/** Hidden: prints the names that proposals can be asked for by, given the words of the command line so far. */
export function completeCommand(terminal: Terminal, connect: Connect): Command {
  return new Command('__complete')
    .argument('[words...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (words: string[]) => {
      const parser = addConnectionOptions(new Command()).exitOverride().allowUnknownOption();
      try {
        parser.configureOutput({ writeErr: () => undefined }).parseOptions(words);
        const options = parser.opts<ConnectionOptions>();
        const { store, namespace } = await connect(options);
        const proposals = await listProposals(store, namespace);
        const names = proposals.map((proposal) => {
          const name = workloadWords(proposal);
          return options.namespace === undefined ? `${proposal.metadata.namespace}/${name}` : name;
        });
        terminal.out(names.map((name) => `${name}\n`).join(''));
      } catch (error) {
        // whoever presses a key for a name wants names or nothing
        const expected =
          error instanceof InputError || error instanceof ClusterError || error instanceof CommanderError;
        if (!expected) throw error;
      }
    });
}
