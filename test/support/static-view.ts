import type { Cluster } from '../../controller/model/cluster.ts';
import { defaultProfile } from '../../controller/model/profile.ts';
import type { ClusterView, ViewChange } from '../../controller/ports.ts';

const profile = { profile: defaultProfile, origin: 'built-in', problem: undefined };

/** A view of whatever cluster the test says, with nothing else in it. */
export class StaticView implements ClusterView {
  readonly synced: Promise<void>;
  readonly #listeners = new Set<(change: ViewChange) => void>();
  #cluster: Cluster;
  /** What making the cluster takes. */
  cost = () => {};

  constructor(cluster: Cluster, synced = Promise.resolve()) {
    this.#cluster = cluster;
    this.synced = synced;
  }

  change(cluster: Cluster): void {
    this.#cluster = cluster;
    this.tell({ kind: 'cluster' });
  }

  tell(change: ViewChange): void {
    for (const listener of this.#listeners) listener(change);
  }

  cluster(): Cluster {
    this.cost();
    return this.#cluster;
  }

  problems = () => [];
  profileOf = () => profile;
  clusterProfile = () => profile;
  proposals = () => [];
  proposal = () => undefined;
  approvals = () => [];
  approvalsOf = () => [];
  networkPolicies = () => [];
  stopped = () => undefined;

  subscribe(listener: (change: ViewChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
