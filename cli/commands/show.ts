import { Command, Option } from 'commander';
import { renderYamlDocuments } from '../../controller/policy/render-yaml.ts';
import { addConnectionOptions, type Connect, type ConnectionOptions } from '../connection.ts';
import { proposalPage } from '../render/proposal-page.ts';
import { resolveProposals } from '../resolve-proposal.ts';
import type { Terminal } from '../terminal.ts';

interface Options extends ConnectionOptions {
  readonly output: 'text' | 'json' | 'yaml' | 'policies';
}

const help = `
Examples:
  $ nanoseg show shop/cart
  $ nanoseg show shop/deployment/cart -o policies > cart.yaml
  $ nanoseg show cart -n shop -o json

A proposal is named by its workload (shop/cart, shop/deployment/cart, or cart with -n) or by its own name. -o json and -o yaml
are the PolicyProposals as they are stored; -o policies is the text under review alone.`;

export function showCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('show')
    .summary('show a proposal: rules, evidence, proof, readiness, decisions, policies')
    .description('Shows everything that nanoseg knows about a proposal.')
    .argument('<NAME...>', 'proposals')
    .addOption(new Option('-o, --output <format>').choices(['text', 'json', 'yaml', 'policies']).default('text'));
  return addConnectionOptions(command)
    .addHelpText('after', help)
    .action(async (names: string[], options: Options) => {
      const proposals = await resolveProposals(await connect(options), names);
      switch (options.output) {
        case 'text':
          terminal.out(proposals.map((proposal) => proposalPage(proposal, Date.now())).join('\n'));
          break;
        case 'json':
          terminal.out(`${JSON.stringify(proposals, undefined, 2)}\n`);
          break;
        case 'yaml':
          terminal.out(renderYamlDocuments(proposals));
          break;
        case 'policies':
          terminal.out(proposals.map(({ spec }) => spec.policies).join('---\n'));
          break;
      }
    });
}
