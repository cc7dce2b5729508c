import { hostname } from 'node:os';
import { type Command as BaseCommand, Command, Option } from 'commander';
import { InputError, type Terminal } from '../terminal.ts';
import { parseDuration } from '../time-options.ts';

interface Options {
  readonly node: string;
  readonly interval: number;
  readonly stdout?: boolean;
}

export function agentCommand(terminal: Terminal): BaseCommand {
  return new Command('agent')
    .summary('observe the connections of this node')
    .description("Observes the connections that this node's kernel tracks, on any network plugin that uses it.")
    .option('--stdout', "write flows to standard output, as lines of nanoseg's own format")
    .option('--node <name>', 'the name of this node', process.env['NODE_NAME'] ?? hostname())
    .addOption(new Option('--interval <time>', 'add up so long').argParser(parseDuration).default(5_000, '5s'))
    .action(async ({ node, interval }: Options) => {
      const [{ runAgent }, { ConntrackFailure }] = await Promise.all([
        import('../../controller/agent.ts'),
        import('../../controller/adapters/conntrack/conntrack-failure.ts'),
      ]);
      const signal = terminal.interrupted?.() ?? new AbortController().signal;
      try {
        await runAgent({ node, intervalMs: interval, onLines: terminal.out }, signal);
      } catch (error) {
        if (error instanceof ConntrackFailure) throw new InputError([error.problem]);
        throw error;
      }
    });
}
