import type { EventRing } from '../adapters/http/api/event-ring.ts';
import type { ClusterIndex } from '../policy/evaluate/cluster-index.ts';
import type { Clock, ClusterView } from '../ports.ts';
import type { DeviationEntry } from '../view/api-shape.ts';
import { deviationsOf } from '../view/deviation-list.ts';
import { proposalSummary } from '../view/proposal-summary.ts';

/** Whether there are other workloads is looked at so often: pods come and go all the time. */
const workloadsPaceMs = 5_000;

export interface LiveEventsParts {
  readonly view: ClusterView;
  readonly index: () => ClusterIndex;
  readonly ring: EventRing;
  readonly clock: Clock;
}

/** Notes what changes of proposals, deviations and the cluster, and makes events of it when it is asked to. */
export class LiveEvents {
  readonly #parts: LiveEventsParts;
  readonly #unsubscribe: () => void;
  readonly #proposals = new Map<string, { readonly namespace: string; readonly name: string }>();
  readonly #namespaces = new Set<string>();
  /** By proposal, what was told of each deviation. */
  readonly #deviations = new Map<string, ReadonlyMap<string, string>>();
  #everywhere = false;
  #clusterChanged = true;
  #lookedMs = 0;
  #workloads: readonly string[] | undefined;

  constructor(parts: LiveEventsParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.view.subscribe((change) => {
      switch (change.kind) {
        case 'proposal':
          this.#proposals.set(`${change.namespace}/${change.name}`, change);
          break;
        case 'policy':
          this.#namespaces.add(change.namespace);
          break;
        case 'profile':
          this.#everywhere = true;
          break;
        case 'cluster':
          this.#clusterChanged = true;
          break;
        case 'approval':
          // the proposal says what came of it
          break;
      }
    });
  }

  tell(): void {
    const { ring } = this.#parts;
    for (const [key, { namespace, name }] of this.#proposals) this.#tellProposal(key, namespace, name);
    this.#proposals.clear();
    if (this.#areOtherWorkloads()) this.#everywhere = true;
    if (this.#everywhere) ring.append({ kind: 'cluster', namespaces: [] });
    else if (this.#namespaces.size > 0) ring.append({ kind: 'cluster', namespaces: [...this.#namespaces].sort() });
    this.#everywhere = false;
    this.#namespaces.clear();
  }

  close(): void {
    this.#unsubscribe();
  }

  #tellProposal(key: string, namespace: string, name: string): void {
    const { view, ring } = this.#parts;
    const proposal = view.proposal(namespace, name);
    if (proposal === undefined) {
      this.#deviations.delete(key);
      ring.append({ kind: 'proposal-gone', namespace, name });
      return;
    }
    ring.append({ kind: 'proposal', proposal: proposalSummary(proposal) });
    const known = this.#deviations.get(key);
    const now = new Map<string, string>();
    for (const deviation of deviationsOf(proposal)) {
      const [id, mark] = [`${deviation.connection} ${deviation.verdict}`, markOf(deviation)];
      now.set(id, mark);
      if (known?.get(id) !== mark) ring.append({ kind: 'deviation', deviation });
    }
    if (now.size > 0) this.#deviations.set(key, now);
    else this.#deviations.delete(key);
  }

  #areOtherWorkloads(): boolean {
    const { clock, index } = this.#parts;
    if (!this.#clusterChanged || clock.now() < this.#lookedMs + workloadsPaceMs) return false;
    this.#lookedMs = clock.now();
    this.#clusterChanged = false;
    const { keys } = index();
    const known = this.#workloads;
    this.#workloads = keys;
    return known !== undefined && (known.length !== keys.length || known.some((key, i) => key !== keys[i]));
  }
}

function markOf({ times, lastSeen }: DeviationEntry): string {
  return `${times} ${lastSeen}`;
}
