import { type Command as BaseCommand, Command, Option } from 'commander';
import type { ControllerConfig, ControllerConfigInput } from '../../controller/config.ts';
import { problem } from '../../controller/model/problem.ts';
import { type ControllerRun, controllerRun } from '../controller-run.ts';
import { defaultSystemNamespace } from '../connection.ts';
import { addHttpOptions, type HttpOptions, httpOf } from '../http-options.ts';
import { addPushOptions, type PushOptions, pushOf } from '../push-options.ts';
import { addRedisOptions, type RedisOptions, redisOf } from '../redis-options.ts';
import { addRoleOptions, requireRole, type RoleOptions } from '../role-options.ts';
import { addSourceOptions, type SourceOptions, sourcesOf } from '../source-options.ts';
import { InputError, type Terminal } from '../terminal.ts';
import { parseDuration } from '../time-options.ts';

interface Options extends HttpOptions, PushOptions, RedisOptions, RoleOptions, SourceOptions {
  readonly workspace?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace: string;
  readonly flows: readonly string[];
  readonly dataDir?: string;
  readonly interval: number;
  readonly flush: number;
  readonly lease: number;
  readonly webhookPort?: number;
  readonly webhookUrl?: string;
  readonly healthPort?: number;
  readonly notifyUrl?: string;
  readonly notifyOutput?: boolean;
  readonly once?: boolean;
  readonly logLevel?: ControllerConfig['logLevel'];
}

const help = `
Examples:
  $ nanoseg controller --workspace examples/shop --flows examples/shop/flows --http-port 8080
  $ nanoseg controller --workspace . --flows flows/ --once     # in a pipeline: proposes, applies what is approved, ends
  $ nanoseg controller --namespace nanoseg-system --data-dir /data --webhook-port 8443 --health-port 8081 --flows /flows
  $ nanoseg controller --data-dir /data --hubble tls://hubble-relay.kube-system.svc:443 --hubble-ca /etc/hubble/ca.crt
  $ nanoseg controller --role ingest --redis rediss://redis.db.svc --push-port 8446      # and as many more as are needed
  $ nanoseg controller --role decide --redis rediss://redis.db.svc --webhook-port 8443 --http-port 8080

Keeps proposals up to date from what is seen, applies what is validly approved, repairs drift, raises deviations and takes
changes back. How far it may go in a namespace is said by its SegmentationProfile (docs/profile.md); without one nothing is
ever applied. In a cluster only the replica that holds the Lease writes.

In a workspace directory cluster/ and profiles/ are read; proposals/, approvals/ and policies/ are written, and may be edited
and kept in Git (docs/workspace.md). Files of flows are followed as they grow, beside live sources (docs/sources.md). Ctrl-C ends
it; nothing that was seen is lost. In a large installation several processes share the work over Redis (docs/scaling.md).`;

function port(text: string): number {
  return /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
}

export function controllerCommand(
  terminal: Terminal,
  version: string,
  run: ControllerRun = controllerRun,
): BaseCommand {
  const command = new Command('controller')
    .summary('run the loop: propose, apply what is approved, watch, take back')
    .description('Runs nanoseg against a cluster, or against a workspace directory.')
    .option('--workspace <dir>', 'a workspace directory instead of a cluster')
    .option('--kubeconfig <file>', 'kubeconfig of the cluster (default: in a pod its service account)')
    .option('--context <name>', 'context of the kubeconfig')
    .addOption(new Option('--namespace <name>', "nanoseg's own namespace").default(defaultSystemNamespace))
    .option('--flows <path...>', 'files of flows, or directories of them, followed as they grow', [])
    .option('--data-dir <dir>', 'where evidence is kept (a workspace keeps its own)')
    .addOption(
      new Option('--interval <time>', 'look at everything so often').argParser(parseDuration).default(10_000, '10s'),
    )
    .addOption(new Option('--flush <time>', 'save evidence so often').argParser(parseDuration).default(5_000, '5s'))
    .addOption(
      new Option('--lease <time>', 'how long a lost leader is waited for')
        .argParser(parseDuration)
        .default(15_000, '15s'),
    )
    .addOption(new Option('--webhook-port <port>', 'serve the admission webhook that stamps approvals').argParser(port))
    .option('--webhook-url <url>', 'where the API server finds it, when nanoseg runs outside of the cluster')
    .addOption(new Option('--health-port <port>', 'serve /healthz, /readyz and /metrics').argParser(port))
    .option('--notify-url <url>', 'post CloudEvents there, signed with the secret in NANOSEG_NOTIFY_SECRET')
    .option('--notify-output', 'write CloudEvents to standard output')
    .option('--once', 'end when all flows are read and every proposal was looked at')
    .addOption(
      new Option('--log-level <level>', 'JSON lines on standard error (default: info; warn with --workspace)').choices([
        'trace',
        'debug',
        'info',
        'warn',
        'error',
        'silent',
      ]),
    )
    .addHelpText('after', help);
  return addPushOptions(addSourceOptions(addRedisOptions(addRoleOptions(addHttpOptions(command, port)))), port).action(
    async (options: Options) => {
      await run(configOf(options), version, terminal);
    },
  );
}

function configOf(options: Options): ControllerConfigInput {
  const { workspace, webhookPort, webhookUrl, healthPort, notifyUrl } = options;
  if (workspace !== undefined && (options.kubeconfig !== undefined || options.context !== undefined)) {
    throw new InputError([problem('ArgumentInvalid', 'either --workspace or a kubeconfig')]);
  }
  if (webhookUrl !== undefined && webhookPort === undefined) {
    throw new InputError([problem('ArgumentInvalid', '--webhook-url goes with --webhook-port')]);
  }
  const secret = process.env['NANOSEG_NOTIFY_SECRET'];
  if (notifyUrl !== undefined && secret === undefined) {
    throw new InputError([problem('ArgumentInvalid', '--notify-url needs a secret in NANOSEG_NOTIFY_SECRET')]);
  }
  const config: ControllerConfigInput = withoutUndefined({
    role: options.role,
    workspace,
    kubeconfig: options.kubeconfig,
    context: options.context,
    ownNamespace: options.namespace,
    flows: [...options.flows],
    sources: sourcesOf(options),
    dataDirectory: options.dataDir,
    redis: redisOf(options),
    refreshMs: options.interval,
    flushMs: options.flush,
    leaseMs: options.lease,
    health: healthPort === undefined ? undefined : { port: healthPort },
    webhook: webhookPort === undefined ? undefined : withoutUndefined({ port: webhookPort, url: webhookUrl }),
    push: pushOf(options),
    http: httpOf(options),
    notify: notifyUrl === undefined || secret === undefined ? undefined : { url: notifyUrl, secret },
    notifyOutput: options.notifyOutput ?? false,
    once: options.once ?? false,
    logLevel: options.logLevel ?? (workspace === undefined ? 'info' : 'warn'),
  });
  requireRole(config);
  return config;
}

function withoutUndefined<Value extends object>(value: Value): Value {
  return Object.fromEntries(Object.entries(value).filter(([, item]) => item !== undefined)) as Value;
}
