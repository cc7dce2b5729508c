import type { LiveInventory } from '../adapters/inventory/live-inventory.ts';
import type { StateFigures } from '../adapters/prometheus/state-metrics.ts';
import type { HttpEndpoint } from './http-endpoint.ts';
import type { Observer } from '../observer.ts';

/** What the controller knows at this moment, for whoever scrapes it. */
export function stateFigures(view: LiveInventory, observer: Observer, http: HttpEndpoint | undefined): StateFigures {
  const seen = observer.seen;
  return {
    proposals: view.proposals(),
    endpoints: seen?.graph.endpointCount ?? 0,
    ingest: seen?.ingest.counters,
    streams: http?.streams ?? 0,
  };
}
