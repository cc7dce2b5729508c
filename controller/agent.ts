import { aggregatedSource } from './adapters/conntrack/aggregated-source.ts';
import { conntrackSource } from './adapters/conntrack/conntrack-source.ts';
import { encodeFlow, encodeLoss } from './adapters/flow-file/nanoseg-line.ts';
import { systemClock } from './adapters/system-clock.ts';

export interface AgentParts {
  /** The node that it runs on. */
  readonly node: string;
  readonly intervalMs: number;
  /** Takes flows and losses as nanoseg's lines, each with its newline. */
  readonly onLines: (lines: string) => void;
}

/** Observes the connections of this network namespace until aborted; what is there then is delivered before it ends. */
export async function runAgent({ node, intervalMs, onLines }: AgentParts, signal: AbortSignal): Promise<void> {
  const source = conntrackSource({ node, clock: systemClock });
  for await (const { flows, losses } of aggregatedSource(source, { clock: systemClock, intervalMs }).batches(signal)) {
    const lines = [...losses.map(encodeLoss), ...flows.map(encodeFlow)];
    if (lines.length > 0) onLines(`${lines.join('\n')}\n`);
  }
}
