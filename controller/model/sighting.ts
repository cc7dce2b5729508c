import type { Endpoint } from './endpoint.ts';
import type { Flow } from './flow.ts';

/**
 * One side of a flow after attribution. Attribution returns the same object for the same pod or address again, so that
 * the graph may look its node up by identity.
 */
export interface AttributedPeer {
  readonly endpoint: Endpoint;
  /** 32-bit hash that tells the replicas (pods) of one workload apart; 0 when no single pod is known. */
  readonly replica: number;
  /** The node that the pod runs on, where one pod is known. */
  readonly node?: string;
}

/** A flow after attribution: what the traffic graph counts. `port` is the server's own port behind all translation. */
export interface Sighting
  extends Pick<
    Flow,
    | 'timeMs'
    | 'endMs'
    | 'clientPort'
    | 'protocol'
    | 'directed'
    | 'verdict'
    | 'answered'
    | 'connections'
    | 'bytes'
    | 'source'
  > {
  readonly client: AttributedPeer;
  readonly server: AttributedPeer;
  readonly port: number;
  readonly clientIp: string | undefined;
  readonly serverDnsNames: readonly string[] | undefined;
}
