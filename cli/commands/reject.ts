import type { Command } from 'commander';
import type { Connect } from '../connection.ts';
import { decisionCommand } from '../decision-command.ts';
import type { Terminal } from '../terminal.ts';

const help = `
Example:
  $ nanoseg reject shop/cart -m "the batch client must not reach redis"

One rejection outweighs all approvals of the same digest. A proposal that changes later is another digest, and can be approved.`;

export function rejectCommand(terminal: Terminal, connect: Connect): Command {
  return decisionCommand(
    {
      decision: 'Reject',
      summary: 'reject what proposals say now',
      description: 'Rejects proposals, each by the digest that it has at this moment.',
      help,
    },
    terminal,
    connect,
  );
}
