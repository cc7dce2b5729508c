/** Flow sources that nanoseg reads; the order is part of the stored evidence: only append. */
export const flowSourceKinds = [
  'hubble',
  'goldmane',
  'calico',
  'conntrack',
  'inspektor-gadget',
  'nanoseg',
  'opentelemetry',
] as const;
export type FlowSourceKind = (typeof flowSourceKinds)[number];

/** What a source itself says about special endpoints, in one vocabulary (Hubble's reserved labels, Calico's types). */
export type ReservedEndpoint = 'host' | 'remote-node' | 'kube-apiserver' | 'ingress' | 'health' | 'world' | 'unmanaged';

/** One side of a flow, as its source names it, before attribution. */
export interface FlowPeer {
  /** Real address (backend, not Service), as the source writes it; undefined when the source gives none. */
  readonly ip: string | undefined;
  readonly namespace: string | undefined;
  /** Exact pod name. */
  readonly pod: string | undefined;
  /** What pod names begin with, for sources that aggregate (`web-7c9f8d-` of Calico's `web-7c9f8d-*`). */
  readonly podPrefix: string | undefined;
  /** The owner as the source knows it. */
  readonly workload: { readonly kind: string; readonly name: string } | undefined;
  /** `key=value` as sent, with a source prefix or not (`k8s:app=web`); split only when nothing better identifies it. */
  readonly labels: readonly string[] | undefined;
  readonly reserved: ReservedEndpoint | undefined;
  /** Node name where the source says that this side is a node. */
  readonly node: string | undefined;
  /** The Service that the source names for this side when it knows no backend. */
  readonly service: { readonly namespace: string; readonly name: string } | undefined;
  /** DNS names that the other side had looked up for this address, without trailing dot. */
  readonly dnsNames: readonly string[] | undefined;
}

export const unnamedPeer: FlowPeer = {
  ip: undefined,
  namespace: undefined,
  pod: undefined,
  podPrefix: undefined,
  workload: undefined,
  labels: undefined,
  reserved: undefined,
  node: undefined,
  service: undefined,
  dnsNames: undefined,
};

/**
 * `allowed`: it passed. `denied`: a policy dropped it; an attempt, never evidence. `audited`: it passed, although a
 * policy in audit mode would have dropped it. `none`: the source has no say (conntrack sees only what passed: allowed).
 */
export type FlowVerdict = 'allowed' | 'denied' | 'audited' | 'none';

/** One observed record of traffic in the one shape that all sources are translated to. */
export interface Flow {
  /** Milliseconds since 1970, UTC; start of the interval for sources that aggregate. */
  readonly timeMs: number;
  /** End of the interval for sources that aggregate, else equal to timeMs. */
  readonly endMs: number;
  /** Who opened the connection, when `directed`; else just the first side of the record. */
  readonly client: FlowPeer;
  readonly server: FlowPeer;
  /** The client's ephemeral port, 0 when not known; tells connections of the same pair apart. */
  readonly clientPort: number;
  /**
   * The server's port behind all address translation (the pod's port), or the Service's port where the server is named as a
   * Service alone; 0 when not known or without ports (ICMP).
   */
  readonly port: number;
  /** Service address and port that the client used, when it differs from the server's own. */
  readonly addressed: { readonly ip: string; readonly port: number } | undefined;
  /** What the server sees instead of the client's own address, where a node put its own (SNAT) or another in its place. */
  readonly translatedClient?: string;
  /** Node on which the server's pod runs, where the source says so. */
  readonly serverNode?: string;
  /** IANA number. */
  readonly protocol: number;
  /** False when the source cannot tell who opened the connection: shown, but no evidence. */
  readonly directed: boolean;
  readonly verdict: FlowVerdict;
  /** Whether the server was seen to answer; undefined when this record cannot tell. */
  readonly answered: boolean | undefined;
  /**
   * Connections that the record stands for. 0 when it tells more about connections that another record counts: the other
   * side's report of an aggregate, or an answer or the bytes of a connection already reported.
   */
  readonly connections: number;
  /** Bytes in both directions, 0 when not known. */
  readonly bytes: number;
  readonly source: FlowSourceKind;
  /** Node that reports it; empty when not known. */
  readonly node: string;
}

/** The source's own word that it lost or thinned out events. */
export interface FlowLoss {
  readonly timeMs: number;
  readonly source: FlowSourceKind;
  /** Node concerned; empty: not known, so every node. */
  readonly node: string;
  /** Lost events; undefined when the source only says that it lost some. */
  readonly events: number | undefined;
  /**
   * `lost`: events were dropped. `unavailable`: the node was not observed. `sampled`: only 1 in `events` is reported.
   * `started`: whoever observes the node begins to now, which is a loss where the node was observed before.
   */
  readonly kind: 'lost' | 'unavailable' | 'sampled' | 'started';
}

/** That a node was observed for a while, whether or not anything happened there: it is evidence of no connection. */
export interface ObservedTime {
  readonly source: FlowSourceKind;
  /** Never empty. */
  readonly node: string;
  readonly fromMs: number;
  /** At most `mostObservedMs` later. */
  readonly toMs: number;
}

/** Who says more at once says it of a time that it has not just observed. */
export const mostObservedMs = 3_600_000;
