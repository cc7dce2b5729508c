import { apiServerEndpoint, type Endpoint, type UnknownReason } from '../model/endpoint.ts';
import { fnv1a } from '../model/object-name.ts';
import type { AttributedPeer } from '../model/sighting.ts';
import type { WorkloadKey } from '../model/workload.ts';

/** A side of a flow with the port behind a Service, where the flow named the Service's own. */
export interface Identified {
  readonly peer: AttributedPeer;
  readonly port: number | undefined;
}

/** Names and addresses come from outside: a table of them is emptied before a stranger can fill the memory with it. */
const mostStrangers = 1 << 18;

/** Makes each side of a flow once: the same pod, node or address is the same object again. */
export class PeerTable {
  readonly apiServer: Identified = identified(apiServerEndpoint, 0);
  readonly #nodes = new Map<string, Identified>();
  readonly #externals = new Map<string, Identified>();
  readonly #services = new Map<string, Map<string, Identified>>();
  readonly #unknowns = new Map<UnknownReason, Map<string, Identified>>();
  readonly #workloads = new Map<WorkloadKey, Identified>();
  readonly #replicas = new Map<WorkloadKey, Map<string, Identified>>();
  #replicaCount = 0;

  /** A pod of a workload by its name and, where it is known, its node; without a name, no replica in particular. */
  workload(key: WorkloadKey, pod: string | undefined, node?: string): Identified {
    if (pod === undefined) return remembered(this.#workloads, key, () => identified(workloadEndpoint(key), 0));
    const replicas = remembered(this.#replicas, key, () => new Map<string, Identified>());
    // A StatefulSet gives the name of a pod to the next one, which may run elsewhere.
    const name = node === undefined ? pod : `${pod} ${node}`;
    const known = replicas.get(name);
    if (known) return known;
    if (this.#replicaCount++ >= mostStrangers) {
      for (const table of this.#replicas.values()) table.clear();
      this.#replicaCount = 0;
    }
    // Of one workload all pods share the endpoint object, so that whoever compares endpoints may compare identity first.
    const made = identified(this.workload(key, undefined).peer.endpoint, replicaOf(pod), node);
    replicas.set(name, made);
    return made;
  }

  node(name: string): Identified {
    return remembered(this.#nodes, name, () => identified({ kind: 'node', name }, 0));
  }

  service(namespace: string, name: string): Identified {
    const services = remembered(this.#services, namespace, () => new Map<string, Identified>());
    return remembered(services, name, () => identified({ kind: 'service', namespace, name }, 0));
  }

  external(address: string): Identified {
    return remembered(this.#externals, address, () => identified({ kind: 'external', address }, 0));
  }

  unknown(reason: UnknownReason, address: string): Identified {
    const unknowns = remembered(this.#unknowns, reason, () => new Map<string, Identified>());
    return remembered(unknowns, address, () => identified({ kind: 'unknown', reason, address }, 0));
  }
}

function identified(endpoint: Endpoint, replica: number, node?: string): Identified {
  return { peer: { endpoint, replica, ...(node !== undefined && { node }) }, port: undefined };
}

function workloadEndpoint(workload: WorkloadKey): Endpoint {
  return { kind: 'workload', workload };
}

/** Never 0, which says that no single pod is known. */
function replicaOf(pod: string): number {
  return fnv1a(pod) || 1;
}

function remembered<Key, Value>(table: Map<Key, Value>, key: Key, make: () => Value): Value {
  const known = table.get(key);
  if (known !== undefined) return known;
  if (table.size >= mostStrangers) table.clear();
  const made = make();
  table.set(key, made);
  return made;
}
