import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { aggregatedSource } from './adapters/conntrack/aggregated-source.ts';
import { type ConntrackSource, conntrackSource } from './adapters/conntrack/conntrack-source.ts';
import { encodeFlow, encodeLoss, encodeObserved } from './adapters/flow-file/nanoseg-line.ts';
import { FlowSender, type SenderEvent } from './adapters/flow-push/flow-sender.ts';
import type { SenderAddress } from './adapters/flow-push/sender-address.ts';
import type { SenderCredentials } from './adapters/flow-push/sender-request.ts';
import { serveProbes } from './adapters/http/probe-server.ts';
import { agentMetrics } from './adapters/prometheus/agent-metrics.ts';
import { systemClock } from './adapters/system-clock.ts';
import { type Problem, problem } from './model/problem.ts';
import type { FlowSource } from './ports.ts';
import { reconnecting, type SourceState } from './intake/reconnecting.ts';

export interface AgentParts {
  /** The node that it runs on. */
  readonly node: string;
  /** Flows are added up for so long. */
  readonly intervalMs: number;
  /** Where flows are delivered to. */
  readonly to: readonly SenderAddress[];
  readonly credentials: SenderCredentials;
  readonly health: { readonly port: number; readonly host: string } | undefined;
  readonly log: Logger;
  /** Takes flows and losses as nanoseg's lines, each with its newline. */
  readonly onLines?: ((lines: string) => void) | undefined;
  /** The port on which probes answer is known. */
  readonly onHealthPort?: (port: number) => void;
}

/** What is there when it is told to end has so long to be delivered. */
const lastDeliveryMs = 10_000;
const findingsMs = 1_000;

/**
 * Observes the connections of this network namespace until aborted, and delivers what is there then before it ends. Rejects
 * with ConntrackFailure where they cannot be observed.
 */
export async function runAgent(parts: AgentParts, signal: AbortSignal): Promise<void> {
  const { node, intervalMs, to, log, health } = parts;
  const sender = to.length === 0 ? undefined : senderOf(parts);
  const conntrack = conntrackSource({
    node,
    clock: systemClock,
    isOwnTarget: (ip, port) => sender?.isTarget(ip, port) ?? false,
  });
  const listening = new Listening(conntrack, log);
  const degraded = () => [
    ...conntrack.findings,
    ...(sender?.failures ?? []).map(({ target, message }) => problem('FlowsNotDelivered', message, target)),
  ];
  const probes =
    health &&
    (await serveProbes(health.port, health.host, {
      unready: () => listening.unready,
      degraded,
      metrics: agentMetrics(() => conntrack.counters, sender && (() => sender.figures)),
    }));
  if (probes) parts.onHealthPort?.(probes.port);
  const stop = new AbortController();
  const observing = AbortSignal.any([signal, stop.signal]);
  const delivering = new AbortController();
  const tasks = [
    ...(sender === undefined ? [] : [sender.run(delivering.signal)]),
    tellFindings(() => conntrack.findings, log, observing),
  ];
  for (const task of tasks) task.catch(() => stop.abort());
  try {
    log.info({ node, to: to.map(({ text }) => text) }, 'observing connections');
    const source = aggregatedSource(listening, { clock: systemClock, intervalMs });
    for await (const { flows, losses, observed = [] } of source.batches(observing)) {
      sender?.offer(flows, losses, observed);
      const lines = [...losses.map(encodeLoss), ...flows.map(encodeFlow), ...observed.map(encodeObserved)];
      if (lines.length > 0) parts.onLines?.([...lines, ''].join('\n'));
    }
    if (listening.failure !== undefined) throw listening.failure;
    await sender?.delivered(AbortSignal.timeout(lastDeliveryMs));
  } finally {
    stop.abort();
    delivering.abort();
    await Promise.all(tasks);
    await probes?.close();
  }
}

function senderOf({ node, to, credentials, log }: AgentParts): FlowSender {
  return new FlowSender({
    addresses: to,
    credentials,
    node,
    producer: `${node.replaceAll(/[^!-~]/g, '_')}/${randomUUID()}`,
    clock: systemClock,
    random: Math.random,
    report: (event) => tellDelivery(event, log),
  });
}

function tellDelivery(event: SenderEvent, log: Logger): void {
  const { kind, target } = event;
  switch (kind) {
    case 'well':
      return log.info({ target }, 'flows are delivered again');
    case 'failing':
      return log.warn({ target, because: event.message }, 'flows are not delivered; they are kept and tried again');
    case 'unusable':
      return log.error({ target, because: event.message }, 'a batch of flows is refused, and lost');
    case 'rejected':
      return log.warn({ target, lines: event.lines, because: event.message }, 'lines of a batch are refused');
  }
}

/** Tells of each finding when it comes up. */
async function tellFindings(findings: () => readonly Problem[], log: Logger, signal: AbortSignal): Promise<void> {
  let told = new Set<string>();
  while (!signal.aborted) {
    const now = findings();
    for (const found of now) if (!told.has(found.code)) log.warn({ problem: found }, found.message);
    told = new Set(now.map(({ code }) => code));
    await systemClock.sleep(findingsMs, signal).catch(() => undefined);
  }
}

/** Connection tracking that is listened to again when that fails, for as long as that can help. */
class Listening implements FlowSource {
  readonly name: string;
  readonly #source: ConntrackSource;
  readonly #log: Logger;
  #state: SourceState | 'starting' = 'starting';
  #message = '';
  #failure: unknown;

  constructor(source: ConntrackSource, log: Logger) {
    this.name = source.name;
    this.#source = source;
    this.#log = log;
  }

  /** Why it gave up, as it was thrown. */
  get failure(): unknown {
    return this.#state === 'failed' ? this.#failure : undefined;
  }

  get unready(): string | undefined {
    if (this.#source.counters.tables === 0) return 'the table of connections has not been read yet';
    return this.#state === 'running' ? undefined : `connections are not observed: ${this.#message}`;
  }

  progress() {
    return this.#source.progress();
  }

  batches(signal: AbortSignal) {
    const source: FlowSource = {
      name: this.name,
      progress: () => this.progress(),
      batches: (inner) => this.#noting(inner),
    };
    return reconnecting(source, signal, {
      clock: systemClock,
      random: Math.random,
      onState: (state, message) => {
        this.#state = state;
        this.#message = message;
        if (state === 'retrying') this.#log.error({ because: message }, 'connections are not observed; trying again');
      },
    });
  }

  async *#noting(signal: AbortSignal) {
    try {
      yield* this.#source.batches(signal);
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}
