import { protocolNumber } from '../../model/protocol.ts';

/** One direction of an entry. */
export interface ConntrackTuple {
  readonly source: string;
  readonly destination: string;
  /** 0 for protocols without ports. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** -1 when the kernel does not count (net.netfilter.nf_conntrack_acct). */
  readonly bytes: number;
}

/** One event or one entry of the kernel's connection tracking, from a line of text or from the kernel itself. */
export interface ConntrackEntry {
  /** `snapshot` for entries of a table, which are no events. */
  readonly event: 'new' | 'update' | 'destroy' | 'snapshot';
  readonly timeMs: number | undefined;
  readonly protocol: number;
  /** TCP, SCTP and DCCP only, and not on every event. */
  readonly state: string | undefined;
  /** As sent by the side whose packet made the entry. */
  readonly original: ConntrackTuple;
  /** How an answer looks: its source is the server behind translation. */
  readonly reply: ConntrackTuple;
  readonly unreplied: boolean;
  /** True where the kernel says that it saw the original side open a TCP connection, however long ago. */
  readonly sawOpening?: boolean;
  /** The same for all events of one connection, and of no other that lives at the same time. */
  readonly key: string;
}

/** TCP, UDP, DCCP, SCTP and UDP-Lite. */
export const protocolsWithPorts: ReadonlySet<number> = new Set([
  protocolNumber.TCP,
  protocolNumber.UDP,
  protocolNumber.DCCP,
  protocolNumber.SCTP,
  136,
]);
