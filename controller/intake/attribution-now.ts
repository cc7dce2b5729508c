import { FlowAttributor } from '../attribution/attribute-flow.ts';
import { type Cluster, differsInPoliciesAlone } from '../model/cluster.ts';
import type { Clock, ClusterView } from '../ports.ts';

/** After making the attribution anew, at least so many times as long is spent on flows. */
const flowShare = 3;

export interface AttributedBy {
  readonly cluster: Cluster;
  readonly attributor: FlowAttributor;
}

/** The attribution by the cluster as it is, for all who count flows in this process: it is made once for each value of the cluster. */
export class AttributionNow {
  readonly #view: Pick<ClusterView, 'cluster'>;
  readonly #clock: Clock;
  #known: AttributedBy | undefined;
  #stale = true;
  #notBeforeMs = 0;

  constructor(view: Pick<ClusterView, 'cluster'>, clock: Clock) {
    this.#view = view;
    this.#clock = clock;
  }

  /** The cluster may be another one than it was. */
  outdate(): void {
    this.#stale = true;
  }

  /** So long has to be waited, with `current` as it is; enough time is to go into flows since the last time. */
  get waitMs(): number {
    return this.#stale ? this.#notBeforeMs - this.#clock.now() : 0;
  }

  current(): AttributedBy {
    const known = this.#known;
    if (known !== undefined && !this.#stale) return known;
    this.#stale = false;
    const cluster = this.#view.cluster();
    if (cluster === known?.cluster) return known;
    // who is who does not hang on policies
    const isSame = known !== undefined && differsInPoliciesAlone(known.cluster, cluster);
    this.#known = { cluster, attributor: isSame ? known.attributor : new FlowAttributor(cluster) };
    return this.#known;
  }

  /** The attribution was made anew, or taken up, since then. */
  spent(startMs: number): void {
    const endMs = this.#clock.now();
    this.#notBeforeMs = Math.max(this.#notBeforeMs, endMs + flowShare * (endMs - startMs));
  }
}
