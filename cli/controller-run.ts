import { ZodError } from 'zod';
import type { Logger } from 'pino';
import type { ControllerConfig, ControllerConfigInput } from '../controller/config.ts';
import { counted } from '../controller/model/counted.ts';
import type { ProposalStatus } from '../controller/model/policy-proposal.ts';
import { problem } from '../controller/model/problem.ts';
import type { Notifier } from '../controller/ports.ts';
import type { Round } from '../controller/backend.ts';
import { requireWorkspace } from './connect.ts';
import { directoryStatus } from './controller-status.ts';
import { InputError, type Terminal } from './terminal.ts';

export type ControllerRun = (config: ControllerConfigInput, version: string, terminal: Terminal) => Promise<void>;

/** Runs the controller until a signal ends the process, or until everything was looked at with `once`. */
export const controllerRun: ControllerRun = async (input, version, terminal) => {
  // only this command needs all of the adapters
  const [{ controllerConfig }, { ControllerProblem }, { runController }, { KubeconfigError }, { pino, destination }] =
    await Promise.all([
      import('../controller/config.ts'),
      import('../controller/backend.ts'),
      import('../controller/compose.ts'),
      import('../controller/adapters/kubernetes/kube-access.ts'),
      import('pino'),
    ]);
  const config = configured(() => controllerConfig(input));
  const stop = new AbortController();
  const ended = () => stop.abort();
  process.once('SIGINT', ended).once('SIGTERM', ended);
  const log = pino(
    { base: null, level: config.logLevel, redact: ['*.token', '*.secret'] },
    destination({ fd: 2, sync: true }),
  );
  const summary = new Summary(terminal, config.workspace);
  if (config.workspace !== undefined) {
    await requireWorkspace(config.workspace);
    // of those who share the work one is to be ready while another leads
    if (config.role === 'all') await tellOfAnother(config.workspace, terminal);
  }
  try {
    await runController(
      {
        config,
        version,
        log,
        notifier: await notifierOf(config, log, terminal),
        onPage: (url) => summary.page(url),
        onRound: (round) => {
          if (config.workspace !== undefined) summary.tell(round);
          if (config.once && round.caughtUp && summary.settled(round)) stop.abort();
        },
      },
      stop.signal,
    );
  } catch (error) {
    if (error instanceof ControllerProblem) throw new InputError([error.problem]);
    if (error instanceof KubeconfigError) throw new InputError([problem('KubeconfigUnusable', error.message)]);
    throw error;
  } finally {
    process.off('SIGINT', ended).off('SIGTERM', ended);
  }
};

/** Waiting for another controller to end would else look like doing nothing. */
async function tellOfAnother(workspace: string, { err }: Terminal): Promise<void> {
  const { state, message } = await directoryStatus(workspace);
  if (state === 'running') err(`another controller runs on ${workspace} (${message}): waiting until it ends\n`);
}

async function notifierOf(config: ControllerConfig, log: Logger, terminal: Terminal): Promise<Notifier> {
  const [{ allNotifiers }, { outputNotifier }, { WebhookNotifier }, { systemClock }] = await Promise.all([
    import('../controller/adapters/notify/notifiers.ts'),
    import('../controller/adapters/notify/output-notifier.ts'),
    import('../controller/adapters/notify/webhook-notifier.ts'),
    import('../controller/adapters/system-clock.ts'),
  ]);
  const source = `nanoseg/${config.workspace ?? config.ownNamespace}`;
  const report = (message: string) => log.warn({ reason: message }, 'a notification was not delivered');
  return allNotifiers([
    ...(config.notifyOutput ? [outputNotifier(source, terminal.out)] : []),
    ...(config.notify === undefined
      ? []
      : [new WebhookNotifier({ ...config.notify, source, clock: systemClock, random: Math.random, report })]),
  ]);
}

function configured<Config>(make: () => Config): Config {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ZodError)) throw error;
    throw new InputError(
      error.issues.map(({ path, message }) => problem('ArgumentInvalid', `${path.join('.')}: ${message}`)),
    );
  }
}

/** Tells a person how things stand whenever that has changed. */
class Summary {
  readonly #terminal: Terminal;
  readonly #workspace: string | undefined;
  #told = '';
  #page: string | undefined;
  #before = '';

  constructor(terminal: Terminal, workspace: string | undefined) {
    this.#terminal = terminal;
    this.#workspace = workspace;
  }

  page(url: string): void {
    this.#page = url;
    if (this.#workspace === undefined) this.#terminal.err(`the page is at ${url}\n`);
  }

  tell({ view, proposals, connections, caughtUp }: Round): void {
    const lines = [
      `nanoseg  watching ${this.#workspace ?? 'the cluster'}  ${counted(view.cluster().workloads.size, 'workload')}  ${counted(connections, 'connection')}${this.#page === undefined ? '' : `  ${this.#page}`}`,
      `proposals: ${stateWords([...proposals.values()])}`,
    ].join('\n');
    if (!caughtUp || lines === this.#told) return;
    const next =
      this.#told === ''
        ? `next: nanoseg proposals --workspace ${this.#workspace}   (Ctrl-C ends the controller)\n`
        : '';
    this.#told = lines;
    this.#terminal.out(`${lines}\n${next}`);
  }

  /** The same states in two rounds, one after the other. */
  settled({ proposals }: Round): boolean {
    const now = [...proposals]
      .map(([key, { digest, state }]) => `${key} ${digest} ${state}`)
      .sort()
      .join('\n');
    const same = now === this.#before;
    this.#before = now;
    return same;
  }
}

function stateWords(proposals: readonly ProposalStatus[]): string {
  if (proposals.length === 0) return 'none yet';
  const states = Map.groupBy(proposals, ({ state }) => state);
  return [...states]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([state, all]) => `${all.length} ${state}`)
    .join(', ');
}
