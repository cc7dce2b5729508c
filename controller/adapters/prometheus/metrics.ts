import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { PushFigures } from '../flow-push/push-figures.ts';
import { pushMetrics } from './push-metrics.ts';
import { SharedMetrics } from './shared-metrics.ts';
import { StateMetrics } from './state-metrics.ts';
import { auditActions, type AuditAction } from '../../ports.ts';
import { proposalStates, type ProposalState } from '../../model/policy-proposal.ts';

const mostSources = 100;
const outcomes = ['done', 'after', 'retry', 'stop'] as const;

/** What Prometheus is told. All series exist at zero before they move; labels are bounded: states, actions, sources. */
export class ControllerMetrics {
  readonly #registry = new Registry();
  readonly #reconciled = this.#counter('nanoseg_reconcile_total', 'Reconciliations of proposals by outcome', [
    'outcome',
  ]);
  readonly #happened = this.#counter('nanoseg_audit_records_total', 'What happened, by action of the audit log', [
    'action',
  ]);
  readonly #proposals = this.#gauge('nanoseg_proposals', 'Proposals by state', ['state']);
  readonly #flows = this.#gauge('nanoseg_flows', 'Flows counted since the start, by source', ['source']);
  readonly #rejected = this.#gauge('nanoseg_flow_records_rejected', 'Flow records that could not be used, by source', [
    'source',
  ]);
  readonly #connections = this.#gauge('nanoseg_graph_connections', 'Distinct connections in the traffic graph');
  readonly #leader = this.#gauge('nanoseg_leader', '1 while this replica may write');
  readonly #queue = this.#gauge('nanoseg_queue_keys', 'Proposals waiting to be looked at');
  readonly #unsaved = this.#gauge('nanoseg_notifications_dropped', 'Notifications that could not be delivered');
  readonly #savedAt = this.#gauge(
    'nanoseg_evidence_saved_timestamp_seconds',
    'When evidence was saved last; 0: not yet',
  );
  readonly #unsavedEvidence = this.#gauge(
    'nanoseg_evidence_unsaved',
    '1 while the latest attempt to save evidence has failed',
  );
  /** Looked up when somebody asks. */
  readonly state: StateMetrics = new StateMetrics(this.#registry);
  /** Of the work that several processes share. */
  readonly shared: SharedMetrics = new SharedMetrics(this.#registry);
  /** Of the push endpoint. */
  readonly push: PushFigures = pushMetrics(this.#registry);
  readonly #approval = new Histogram({
    name: 'nanoseg_approval_to_stored_seconds',
    help: 'From the stamp of the deciding approval to the stored policy',
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60],
    registers: [this.#registry],
  });

  readonly #sources = new Set<string>();

  constructor() {
    for (const outcome of outcomes) this.#reconciled.inc({ outcome }, 0);
    for (const action of auditActions) this.#happened.inc({ action }, 0);
    for (const state of proposalStates) this.#proposals.set({ state }, 0);
  }

  reconciled(outcome: (typeof outcomes)[number]): void {
    this.#reconciled.inc({ outcome });
  }

  happened(action: AuditAction): void {
    this.#happened.inc({ action });
  }

  proposals(counts: ReadonlyMap<ProposalState, number>): void {
    for (const state of proposalStates) this.#proposals.set({ state }, counts.get(state) ?? 0);
  }

  /** Of the first hundred sources: files that are rotated come and go for ever. */
  ingested(source: string, flows: number, rejected: number): void {
    if (!this.#sources.has(source) && this.#sources.size >= mostSources) return;
    this.#sources.add(source);
    this.#flows.set({ source }, flows);
    this.#rejected.set({ source }, rejected);
  }

  graph(connections: number): void {
    this.#connections.set(connections);
  }

  evidence(savedMs: number | undefined, isUnsaved: boolean): void {
    this.#savedAt.set((savedMs ?? 0) / 1000);
    this.#unsavedEvidence.set(isUnsaved ? 1 : 0);
  }

  leading(leads: boolean): void {
    this.#leader.set(leads ? 1 : 0);
  }

  waiting(keys: number): void {
    this.#queue.set(keys);
  }

  notificationsDropped(count: number): void {
    this.#unsaved.set(count);
  }

  approvedToStored(seconds: number): void {
    this.#approval.observe(seconds);
  }

  /** In the text format of Prometheus. */
  async text(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  #counter(name: string, help: string, labelNames: readonly string[] = []): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
}
