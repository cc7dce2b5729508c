import { Command, Option } from 'commander';
import { addConnectionOptions, type Connect, type ConnectionOptions } from '../connection.ts';
import { readStatus } from '../read-status.ts';
import { statusPage } from '../render/status-page.ts';
import type { Terminal } from '../terminal.ts';

interface Options extends ConnectionOptions {
  readonly output: 'text' | 'json';
}

const help = `
Examples:
  $ nanoseg status
  $ nanoseg status -n shop
  $ nanoseg status -o json

Without -n it is about all namespaces. CLOSED says whether what comes new in a namespace is denied (its default-deny is in force);
LEARNING names what is new there and may talk to everybody for a while. A pod is isolated in a direction when any NetworkPolicy selects it there, nanoseg's or not;
below the table stands why the others are not.`;

export function statusCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('status')
    .summary('say how far the cluster is closed, and whether nanoseg works')
    .description(
      'Says how many pods are isolated and why the others are not, what the controller does, and what is wrong.',
    )
    .addOption(new Option('-o, --output <format>').choices(['text', 'json']).default('text'));
  return addConnectionOptions(command)
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const connection = await connect({ ...options, allNamespaces: options.namespace === undefined });
      const status = await readStatus(connection, Date.now());
      terminal.out(options.output === 'json' ? `${JSON.stringify(status, undefined, 2)}\n` : statusPage(status));
    });
}
