import { hostname } from 'node:os';
import { type Command as BaseCommand, Command, Option } from 'commander';
import type { SenderAddress } from '../../controller/adapters/flow-push/sender-address.ts';
import { type Problem, problem } from '../../controller/model/problem.ts';
import { InputError, type Terminal } from '../terminal.ts';
import { parseDuration } from '../time-options.ts';

interface Options {
  readonly to: readonly string[];
  readonly stdout?: boolean;
  readonly node: string;
  readonly interval: number;
  readonly tokenFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly healthPort?: number;
  readonly healthHost: string;
  readonly logLevel: string;
}

/** Where Kubernetes puts the token of a pod's service account. */
const podToken = '/var/run/secrets/kubernetes.io/serviceaccount/token';

const help = `
Examples:
  $ sudo nanoseg agent                                   # flows of this machine as lines on standard output
  $ sudo nanoseg agent > flows.jsonl                     # for nanoseg analyze --flows flows.jsonl
  $ sudo nanoseg agent --to unix:///run/nanoseg.sock     # to a controller on this machine (--push-socket)
  $ nanoseg agent --to https://nanoseg-flows.nanoseg-system.svc:8444 --ca /etc/nanoseg/ca.crt

Runs once on each node, in the node's own network namespace, with the capability NET_ADMIN and no other; it listens to what the
kernel tells of the connections that it tracks. It loads nothing into the kernel and changes no setting; docs/sources.md says
which settings it can do more with. Every address that a name has is delivered to.`;

function port(text: string): number {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65_535 ? Number(text) : Number.NaN;
}

export function agentCommand(terminal: Terminal): BaseCommand {
  return new Command('agent')
    .summary('observe the connections of this node and deliver them')
    .description("Observes the connections that this node's kernel tracks, whatever the network plugin is.")
    .option('--to <url...>', 'deliver to https://host:port or unix:///path (default: standard output)', [])
    .option('--stdout', 'write flows to standard output, beside delivering them')
    .option('--token-file <file>', 'show this token, read anew each time (default in a pod: its service account)')
    .option('--ca <file>', "authority of the controller's certificate (PEM)")
    .option('--cert <file>', 'show this certificate (PEM)')
    .option('--key <file>', 'its key')
    .option('--node <name>', 'name of this node', process.env['NODE_NAME'] ?? hostname())
    .addOption(
      new Option('--interval <time>', 'add up flows for so long').argParser(parseDuration).default(5_000, '5s'),
    )
    .addOption(new Option('--health-port <port>', 'serve /healthz, /readyz and /metrics').argParser(port))
    .option('--health-host <address>', 'address of that port', '0.0.0.0')
    .addOption(
      new Option('--log-level <level>', 'JSON lines on standard error')
        .choices(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    )
    .addHelpText('after', help)
    .action((options: Options) => runWith(options, terminal));
}

async function runWith(options: Options, terminal: Terminal): Promise<void> {
  // only this command needs what it needs
  const [{ runAgent }, { ConntrackFailure }, { parseSenderAddress }, { pino, destination }] = await Promise.all([
    import('../../controller/agent.ts'),
    import('../../controller/adapters/conntrack/conntrack-failure.ts'),
    import('../../controller/adapters/flow-push/sender-address.ts'),
    import('pino'),
  ]);
  const { node, interval: intervalMs, tokenFile, ca: caFile, cert: certFile, key: keyFile, healthPort } = options;
  const to = options.to.map(parseSenderAddress);
  const problems = [...to.filter(isProblem), ...wrongOptions(options)];
  if (problems.length > 0) throw new InputError(problems);
  const log = pino({ base: null, level: options.logLevel }, destination({ fd: 2, sync: true }));
  try {
    await runAgent(
      {
        node,
        intervalMs,
        to: to.filter((address): address is SenderAddress => !isProblem(address)),
        credentials: {
          tokenFile: tokenFile ?? podToken,
          tokenOptional: tokenFile === undefined,
          caFile,
          certFile,
          keyFile,
        },
        health: healthPort === undefined ? undefined : { port: healthPort, host: options.healthHost },
        log,
        onLines: options.stdout || to.length === 0 ? terminal.out : undefined,
      },
      terminal.interrupted?.() ?? new AbortController().signal,
    );
  } catch (error) {
    if (error instanceof ConntrackFailure) throw new InputError([error.problem]);
    throw error;
  }
}

function wrongOptions({ interval, cert, key, healthPort }: Options): Problem[] {
  return [
    ...(interval >= 1_000 && interval <= 300_000 ? [] : [problem('ArgumentInvalid', '--interval: from 1s to 5m')]),
    ...((cert === undefined) === (key === undefined)
      ? []
      : [problem('ArgumentInvalid', '--cert and --key go together')]),
    ...(healthPort === undefined || !Number.isNaN(healthPort)
      ? []
      : [problem('ArgumentInvalid', '--health-port: expected a port')]),
  ];
}

function isProblem(value: SenderAddress | Problem): value is Problem {
  return 'code' in value;
}
