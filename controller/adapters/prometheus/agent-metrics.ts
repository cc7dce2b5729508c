import { Counter, Gauge, Registry } from 'prom-client';
import type { ConntrackCounters } from '../conntrack/conntrack-source.ts';
import type { SenderFigures } from '../flow-push/flow-sender.ts';

/** What Prometheus is told of an agent, read from its counters when it asks. */
export function agentMetrics(
  conntrack: () => ConntrackCounters,
  sender: (() => SenderFigures) | undefined,
): () => Promise<{ readonly contentType: string; readonly body: string }> {
  const registry = new Registry();
  const counter = (name: string, help: string, value: () => number) => {
    new Counter({
      name,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(value());
      },
    });
  };
  const gauge = (name: string, help: string, value: () => number) => {
    new Gauge({
      name,
      help,
      registers: [registry],
      collect() {
        this.set(value());
      },
    });
  };
  counter('nanoseg_agent_entries_total', 'Events and table entries of connection tracking', () => conntrack().entries);
  counter('nanoseg_agent_noise_total', 'Of those, the ones that are no traffic of containers', () => conntrack().noise);
  counter('nanoseg_agent_rejected_total', 'Of those, the ones that could not be read', () => conntrack().rejected);
  counter('nanoseg_agent_lost_events_total', 'Events that the kernel dropped unread', () => conntrack().lost);
  counter('nanoseg_agent_tables_total', 'Readings of the whole table', () => conntrack().tables);
  gauge('nanoseg_agent_connections', 'Connections that are remembered', () => conntrack().remembered);
  if (sender !== undefined) {
    gauge('nanoseg_agent_queue_bytes', 'Bytes that wait to be delivered, compressed', () => sender().bytes);
    gauge('nanoseg_agent_queue_batches', 'Batches that wait to be delivered', () => sender().batches);
    counter('nanoseg_agent_delivered_total', 'Batches that a controller acknowledged', () => sender().delivered);
    counter('nanoseg_agent_dropped_total', 'Batches that were dropped undelivered', () => sender().dropped);
    counter('nanoseg_agent_refused_lines_total', 'Lines that a controller did not take', () => sender().rejectedLines);
  }
  return async () => ({ contentType: registry.contentType, body: await registry.metrics() });
}
