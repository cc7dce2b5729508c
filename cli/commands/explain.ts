import { Command, Option } from 'commander';
import { problem } from '../../controller/model/problem.ts';
import { isPort } from '../../controller/model/port-set.ts';
import type { CniName } from '../../controller/model/profile.ts';
import { type PolicyProtocol, policyProtocols } from '../../controller/model/protocol.ts';
import { cniOption } from '../cni-option.ts';
import { loadEvaluator, unknownHint } from '../load-evaluator.ts';
import { resolveParty } from '../../controller/view/resolve-party.ts';
import { InputError, type Terminal } from '../terminal.ts';

interface Options {
  readonly output: 'text' | 'json';
  readonly cni: CniName;
}

const help = `
Examples:
  $ nanoseg explain manifests/ shop/frontend shop/redis-cart 6379
  denied: shop/redis-cart accepts TCP 6379 only from shop/cart (policy nanoseg-redis-cart, rule 1)
  $ nanoseg explain manifests/ shop/deploy/frontend 203.0.113.10 443/TCP -o json

SOURCE and DESTINATION are namespace/name, namespace/kind/name or an address. PORT is the port of the destination's pod, not
of its Service. The verdict is allowed, denied or unknown; the exit code is 0 for each of them. Asked for a workload, it
holds for all of its pods, and for one replica and another where both sides are the same workload; asked for the address of
a pod or node, for that one alone.`;

export function explainCommand(terminal: Terminal): Command {
  return new Command('explain')
    .summary('say whether a connection is allowed, and by which policy and rule')
    .description(
      'Says whether SOURCE may open a connection to a port of DESTINATION, and which policy and rule decides it.',
    )
    .argument('<DIR>', 'directory or file of manifests and NetworkPolicies')
    .argument('<SOURCE>', 'workload or address')
    .argument('<DESTINATION>', 'workload or address')
    .argument('<PORT[/PROTOCOL]>', 'pod port; TCP when no protocol is given')
    .addOption(new Option('-o, --output <format>').choices(['text', 'json']).default('text'))
    .addOption(cniOption('network plugin that decides where plugins disagree').default('generic'))
    .addHelpText('after', help)
    .action(async (directory: string, from: string, to: string, portText: string, { output, cni }: Options) => {
      const evaluator = await loadEvaluator(directory, cni, terminal);
      const { index } = evaluator.evaluation;
      const asked = [resolveParty(index, from), resolveParty(index, to), parsePort(portText)] as const;
      const problems = asked.flatMap((part) => ('code' in part ? [part] : []));
      const [source, destination, port] = asked;
      if ('code' in source || 'code' in destination || 'code' in port) throw new InputError(problems);
      const decision = evaluator.decide(source, destination, port.protocol, port.port);
      const { verdict, reasons } = decision;
      if (output === 'json') {
        terminal.out(`${JSON.stringify(decision, undefined, 2)}\n`);
        return;
      }
      terminal.out(`${verdict}: ${reasons.map(({ sentence }) => sentence).join('\n  ')}\n`);
      if (verdict === 'unknown') terminal.err(`${unknownHint(cni)}\n`);
    });
}

function parsePort(text: string) {
  const [number = '', name = 'TCP', ...rest] = text.split('/');
  const port = /^\d+$/.test(number) ? Number(number) : undefined;
  const protocol = policyProtocols.find((each): each is PolicyProtocol => each === name.toUpperCase());
  if (isPort(port) && protocol && rest.length === 0) return { port, protocol };
  return problem(
    'ArgumentInvalid',
    `${JSON.stringify(text)} is no port: expected 1 to 65535, with /TCP, /UDP or /SCTP where it is not TCP, like 53/UDP`,
  );
}
