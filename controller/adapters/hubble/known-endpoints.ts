import type protobuf from 'protobufjs/minimal.js';
import type { FlowLimits } from '../flow-file/flow-limits.ts';
import { endpointOf, type HubbleEndpoint, type RememberedEndpoint } from '../flow-file/hubble-peer.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { enter, leave, type TextBuffer } from './wire.ts';

/** Endpoints remembered by their bytes; when there are more, all are forgotten. */
const remembered = 16_384;

/**
 * Reads `flow.Endpoint`. The same few endpoints come again and again, byte for byte, so each is read once and remembered;
 * who reads a stream then meets the same objects again.
 */
export class KnownEndpoints {
  readonly #limits: FlowLimits;
  readonly #known = new Map<string, RememberedEndpoint>();
  /** What an absent endpoint says: nothing. */
  readonly #nobody: RememberedEndpoint = remember(
    endpointOf({ namespace: undefined, pod: undefined, workload: undefined, labels: undefined, identity: 0 }),
  );

  constructor(limits: FlowLimits) {
    this.#limits = limits;
  }

  /** The endpoint in these bytes of the reader's buffer. `side` names it in messages. Throws UnusableRecord. */
  at(reader: protobuf.Reader, start: number, end: number, side: string): RememberedEndpoint {
    if (start === end) return this.#nobody;
    const key = (reader.buf as TextBuffer).latin1Slice(start, end);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    reader.pos = start;
    reader.len = end;
    const read = remember(readEndpoint(reader, side, this.#limits));
    if (this.#known.size >= remembered) this.#known.clear();
    this.#known.set(key, read);
    return read;
  }
}

function remember(endpoint: HubbleEndpoint): RememberedEndpoint {
  return { endpoint, peer: undefined, node: '' };
}

function readEndpoint(reader: protobuf.Reader, side: string, limits: FlowLimits): HubbleEndpoint {
  let identity = 0;
  let namespace = '';
  let pod = '';
  let workload: HubbleEndpoint['workload'];
  let workloads = 0;
  const labels: string[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    switch (tag) {
      case 0x10:
        identity = reader.uint32();
        break;
      case 0x1a:
        namespace = reader.string();
        break;
      case 0x22:
        labels.push(reader.string());
        break;
      case 0x2a:
        pod = reader.string();
        break;
      case 0x32: {
        const first = readWorkload(reader);
        if (workloads++ === 0) workload = first;
        break;
      }
      default:
        reader.skipType(tag & 7);
    }
  }
  if (labels.length > limits.labelsPerEndpoint) {
    const most = limits.labelsPerEndpoint;
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

function readWorkload(reader: protobuf.Reader): HubbleEndpoint['workload'] {
  const len = enter(reader);
  let name = '';
  let kind = '';
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x0a) name = reader.string();
    else if (tag === 0x12) kind = reader.string();
    else reader.skipType(tag & 7);
  }
  leave(reader, len);
  return kind === '' || name === '' ? undefined : { kind, name };
}
