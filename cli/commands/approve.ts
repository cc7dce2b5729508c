import type { Command } from 'commander';
import type { Connect } from '../connection.ts';
import { decisionCommand } from '../decision-command.ts';
import type { Terminal } from '../terminal.ts';

const help = `
Examples:
  $ nanoseg approve shop/cart -m "reviewed with team cart"
  $ nanoseg approve --all -n shop --state Ready
  $ nanoseg approve shop/cart --digest sha256:1f2e3d4c5b6a --yes --expires 24h

On a terminal, approve shows what closes, what opens, the rules, what was held back and what would be denied, and asks; elsewhere
it needs --yes. An approval is bound to the digest: when the proposal has changed by then, nothing is approved. The right to
approve is the right to create policyapprovals in the namespace (ClusterRole nanoseg-approver).
Exit 0: it counts, or waits for the controller. Exit 1: it counts for nothing. Exit 2: nothing was approved. Exit 4: not permitted.`;

export function approveCommand(terminal: Terminal, connect: Connect): Command {
  return decisionCommand(
    {
      decision: 'Approve',
      summary: 'approve what proposals say now',
      description: 'Approves proposals, each by the digest that it has at this moment.',
      help,
    },
    terminal,
    connect,
  );
}
