import type { Command } from 'commander';
import type { Connect } from '../connection.ts';
import { decisionCommand } from '../decision-command.ts';
import type { Terminal } from '../terminal.ts';

const help = `
Example:
  $ nanoseg rollback shop/cart -m "the nightly import fails since revision 3"

What was in force before comes back exactly as it was, which may be no policy at all. One person is enough. The proposal must be
approved anew before it is applied again.`;

export function rollbackCommand(terminal: Terminal, connect: Connect): Command {
  return decisionCommand(
    {
      decision: 'Rollback',
      summary: 'restore what was in force before',
      description: 'Takes back what is in force for these proposals.',
      help,
    },
    terminal,
    connect,
  );
}
