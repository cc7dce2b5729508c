import { Counter, Gauge, type Registry } from 'prom-client';
import type { UnknownReason } from '../../model/endpoint.ts';
import type { PolicyProposal } from '../../model/policy-proposal.ts';

const unknownReasons = [
  'ambiguous',
  'before-inventory',
  'no-owner',
  'not-in-inventory',
  'service-without-backend',
  'unnamed',
] as const satisfies readonly UnknownReason[];
const readiness = ['ready', 'learning'] as const;
const verdicts = ['denied', 'passed'] as const;
const statusClasses = ['2xx', '3xx', '4xx', '5xx'] as const;

/** What is known at the moment of a scrape. */
export interface StateFigures {
  readonly proposals: readonly PolicyProposal[];
  readonly endpoints: number;
  /** Undefined until flows are read. */
  readonly ingest:
    | {
        readonly records: number;
        readonly losses: number;
        readonly held: number;
        readonly contradictions: number;
        readonly unattributed: ReadonlyMap<UnknownReason, number>;
      }
    | undefined;
  readonly streams: number;
}

/** Figures that are looked up when somebody asks for them. All series exist at zero before they move; labels are bounded. */
export class StateMetrics {
  readonly #registry: Registry;
  readonly #records: Gauge;
  readonly #losses: Gauge;
  readonly #held: Gauge;
  readonly #contradictions: Gauge;
  readonly #unattributed: Gauge;
  readonly #endpoints: Gauge;
  readonly #readiness: Gauge;
  readonly #wouldDeny: Gauge;
  readonly #deviations: Gauge;
  readonly #drifted: Gauge;
  readonly #streams: Gauge;
  readonly #requests: Counter;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#records = this.#gauge('nanoseg_flow_records', 'Flow records read since the start');
    this.#losses = this.#gauge(
      'nanoseg_flow_losses',
      'Reports of lost, missing or sampled flow events since the start',
    );
    this.#held = this.#gauge('nanoseg_flows_held', 'Flows that wait for their owners to be known');
    this.#contradictions = this.#gauge(
      'nanoseg_flow_contradictions',
      'Flows whose source named another owner than the inventory, since the start',
    );
    this.#unattributed = this.#gauge('nanoseg_flows_unattributed', 'Flows with a side that nobody owns, by reason', [
      'reason',
    ]);
    this.#endpoints = this.#gauge('nanoseg_graph_endpoints', 'Endpoints in the traffic graph');
    this.#readiness = this.#gauge('nanoseg_proposals_readiness', 'Proposals by whether enough was seen', ['state']);
    this.#wouldDeny = this.#gauge('nanoseg_would_deny', 'Live flows that proposals not in force would have denied');
    this.#deviations = this.#gauge('nanoseg_deviations', 'Connections outside of what is enforced, by verdict', [
      'verdict',
    ]);
    this.#drifted = this.#gauge(
      'nanoseg_proposals_drifted',
      'Proposals of which a policy differs from the approved one',
    );
    this.#streams = this.#gauge('nanoseg_event_streams', 'Clients that listen to events');
    this.#requests = new Counter({
      name: 'nanoseg_http_requests_total',
      help: 'Requests to the page and the API that were answered, by class of status',
      labelNames: ['status'],
      registers: [registry],
    });
    for (const status of statusClasses) this.#requests.inc({ status }, 0);
    this.set({ proposals: [], endpoints: 0, ingest: undefined, streams: 0 });
  }

  answered(status: number): void {
    const found = statusClasses[Math.floor(status / 100) - 2];
    if (found !== undefined) this.#requests.inc({ status: found });
  }

  set({ proposals, endpoints, ingest, streams }: StateFigures): void {
    const statuses = proposals.flatMap(({ status }) => (status === undefined ? [] : [status]));
    const count = (holds: (status: (typeof statuses)[number]) => boolean) => statuses.filter(holds).length;
    this.#records.set(ingest?.records ?? 0);
    this.#losses.set(ingest?.losses ?? 0);
    this.#held.set(ingest?.held ?? 0);
    this.#contradictions.set(ingest?.contradictions ?? 0);
    for (const reason of unknownReasons) this.#unattributed.set({ reason }, ingest?.unattributed.get(reason) ?? 0);
    this.#endpoints.set(endpoints);
    for (const state of readiness)
      this.#readiness.set(
        { state },
        count((status) => status.readiness.state === state),
      );
    this.#wouldDeny.set(
      statuses
        .filter(({ live, digest, enforced }) => live?.digest === digest && enforced?.digest !== digest)
        .reduce((sum, { live }) => sum + (live?.wouldDeny ?? 0), 0),
    );
    const deviations = statuses.flatMap((status) => status.deviations);
    for (const verdict of verdicts) {
      this.#deviations.set({ verdict }, deviations.filter((each) => each.verdict === verdict).length);
    }
    this.#drifted.set(count((status) => status.drift !== undefined));
    this.#streams.set(streams);
  }

  #gauge(name: string, help: string, labelNames: readonly string[] = []): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }
}
