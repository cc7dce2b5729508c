import type { Command } from 'commander';
import type { Connect } from '../connection.ts';
import { decisionCommand } from '../decision-command.ts';
import type { Terminal } from '../terminal.ts';

const help = `
Example:
  $ nanoseg retire shop/old-cart -m "the workload is gone"

The only way in which policies of nanoseg leave the cluster for good: neither a deleted proposal nor a deleted workload takes
them away. It needs as many approvers as an approval.`;

export function retireCommand(terminal: Terminal, connect: Connect): Command {
  return decisionCommand(
    {
      decision: 'Retire',
      summary: 'remove the policies that are in force',
      description: 'Removes the policies of nanoseg that are in force for these proposals.',
      help,
    },
    terminal,
    connect,
  );
}
