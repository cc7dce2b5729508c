import { Command, Option } from 'commander';
import type { PolicyProposal } from '../../controller/model/policy-proposal.ts';
import { renderYamlDocuments } from '../../controller/policy/render-yaml.ts';
import { addConnectionOptions, type Connect, type Connection, type ConnectionOptions } from '../connection.ts';
import { effectiveProfile } from '../effective-profile.ts';
import { proposalPage } from '../render/proposal-page.ts';
import { resolveProposals } from '../resolve-proposal.ts';
import { rulesInWords } from '../../controller/view/rules-in-words.ts';
import { proposedPolicies } from '../proposed-policies.ts';
import { worldOf } from '../world-of.ts';
import { storedCluster } from '../stored-cluster.ts';
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
      const connection = await connect(options);
      const proposals = await resolveProposals(connection, names);
      switch (options.output) {
        case 'text':
          terminal.out((await pages(connection, proposals)).join('\n'));
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

async function pages({ store, systemNamespace }: Connection, proposals: readonly PolicyProposal[]): Promise<string[]> {
  const cluster = await storedCluster(store);
  const shown: string[] = [];
  for (const proposal of proposals) {
    const { namespace } = proposal.metadata;
    const { profile } = await effectiveProfile(store, namespace, systemNamespace);
    const rules = rulesInWords(proposal.spec.policies, namespace, cluster, worldOf(cluster, profile), proposedPolicies);
    shown.push(proposalPage(proposal, rules, Date.now()));
  }
  return shown;
}
