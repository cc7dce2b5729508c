import type { FlowPeer } from '../../model/flow.ts';
import type { FlowLimits } from '../flow-file/flow-limits.ts';
import { endpointOf, type HubbleEndpoint, type HubbleHints, hubblePeer, noHints } from '../flow-file/hubble-peer.ts';
import { isIp } from '../flow-file/record-fields.ts';
import { shown, UnusableRecord } from '../flow-file/unusable-record.ts';
import { isSameBytes, type WireCursor } from './wire-cursor.ts';

/** Of peers that fall on one slot, the later one stays. A power of two. */
const slots = 1 << 14;

interface KnownPeer {
  readonly peer: FlowPeer;
  /** The address that the packet has for it, whoever it is; undefined: none. */
  readonly ip: string | undefined;
  readonly endpointBytes: Buffer;
  readonly ipBytes: Buffer;
  /** The reporting node, where it says who the peer is. */
  readonly host: string | undefined;
}

/**
 * Makes peers of `flow.Endpoint`. The same endpoints come again and again, byte for byte and with the same address, so each
 * is read once and remembered; who reads a stream then meets the same peers again. In bounded memory.
 */
export class KnownPeers {
  readonly #limits: FlowLimits;
  readonly #known: (KnownPeer | undefined)[] = Array.from({ length: slots });

  constructor(limits: FlowLimits) {
    this.#limits = limits;
  }

  /**
   * The peer whose endpoint and address lie there in the cursor's bytes. `side` names it in messages. Throws
   * UnusableRecord.
   */
  at(
    cursor: WireCursor,
    start: number,
    end: number,
    ipStart: number,
    ipEnd: number,
    hints: HubbleHints,
    node: string,
    side: string,
  ): KnownPeer {
    if (hints !== noHints) return this.#read(cursor, start, end, ipStart, ipEnd, hints, node, side);
    const { bytes } = cursor;
    let hash = end - start;
    for (let i = ipStart; i < ipEnd; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 15)) & (slots - 1);
    const known = this.#known[slot];
    if (
      known !== undefined &&
      isSameBytes(bytes, ipStart, ipEnd, known.ipBytes) &&
      isSameBytes(bytes, start, end, known.endpointBytes) &&
      (known.host === undefined || known.host === node)
    ) {
      return known;
    }
    const read = this.#read(cursor, start, end, ipStart, ipEnd, hints, node, side);
    this.#known[slot] = read;
    return read;
  }

  #read(
    cursor: WireCursor,
    start: number,
    end: number,
    ipStart: number,
    ipEnd: number,
    hints: HubbleHints,
    node: string,
    side: string,
  ): KnownPeer {
    const { bytes } = cursor;
    const text = bytes.toString('utf8', ipStart, ipEnd);
    if (text !== '' && !isIp(text)) {
      throw new UnusableRecord(`IP.${side}: expected an IP address, got ${shown(text)}`);
    }
    cursor.goTo(start, end);
    const endpoint = readEndpoint(cursor, side, this.#limits);
    return {
      peer: hubblePeer(endpoint, text || undefined, hints, node),
      ip: text || undefined,
      // copies: the bytes are a part of a larger block
      endpointBytes: Buffer.from(bytes.subarray(start, end)),
      ipBytes: Buffer.from(bytes.subarray(ipStart, ipEnd)),
      host: endpoint.reserved === 'host' ? node : undefined,
    };
  }
}

function readEndpoint(cursor: WireCursor, side: string, limits: FlowLimits): HubbleEndpoint {
  let identity = 0;
  let namespace = '';
  let pod = '';
  let workload: HubbleEndpoint['workload'];
  let workloads = 0;
  const labels: string[] = [];
  while (cursor.hasMore) {
    const tag = cursor.varint();
    switch (tag) {
      case 0x10:
        identity = cursor.varint();
        break;
      case 0x1a:
        namespace = cursor.text();
        break;
      case 0x22:
        labels.push(cursor.text());
        break;
      case 0x2a:
        pod = cursor.text();
        break;
      case 0x32: {
        const read = readWorkload(cursor);
        if (workloads++ === 0) workload = read;
        break;
      }
      default:
        cursor.skip(tag);
    }
  }
  const most = limits.labelsPerEndpoint;
  if (labels.length > most) {
    throw new UnusableRecord(
      `${side}.labels: ${labels.length} entries, more than ${most} (limit: labels per endpoint)`,
    );
  }
  return endpointOf({
    namespace: namespace || undefined,
    pod: pod || undefined,
    workload,
    labels: labels.length === 0 ? undefined : labels,
    identity,
  });
}

function readWorkload(cursor: WireCursor): HubbleEndpoint['workload'] {
  const outer = cursor.enter();
  let name = '';
  let kind = '';
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x0a) name = cursor.text();
    else if (tag === 0x12) kind = cursor.text();
    else cursor.skip(tag);
  }
  cursor.leave(outer);
  return kind === '' || name === '' ? undefined : { kind, name };
}
