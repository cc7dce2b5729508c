import protobuf from 'protobufjs/minimal.js';

/** Method paths of the Observer service; its messages are read and written here by field numbers (Cilium 1.19). */
export const getFlowsPath = '/observer.Observer/GetFlows';
export const serverStatusPath = '/observer.Observer/ServerStatus';

export interface GetFlowsRequest {
  /** Microseconds since 1970 of the oldest event wanted; undefined: only what comes from now on. */
  readonly sinceUs: number | undefined;
  /** Whether packets of replies, and those of which Hubble does not know it, are wanted too. */
  readonly replies: boolean;
}

/** Drops, traces, policy verdicts and the proxy's records: Hubble's other events say nothing about who talks to whom. */
const eventTypes = [1, 4, 5, 129];

/** Bytes of a request that follows the stream for ever. */
export function encodeGetFlows({ sinceUs, replies }: GetFlowsRequest): Buffer {
  const writer = protobuf.Writer.create();
  writer.uint32(tag(3, varint)).bool(true);
  writer.uint32(tag(6, delimited)).fork();
  for (const type of eventTypes) writer.uint32(tag(6, delimited)).fork().uint32(tag(1, varint)).int32(type).ldelim();
  // packed, as proto3 writes lists of numbers
  if (!replies) writer.uint32(tag(15, delimited)).fork().bool(false).ldelim();
  writer.ldelim();
  if (sinceUs !== undefined) {
    const seconds = Math.floor(sinceUs / 1e6);
    writer.uint32(tag(7, delimited)).fork().uint32(tag(1, varint)).int64(seconds);
    writer
      .uint32(tag(2, varint))
      .int32((sinceUs - seconds * 1e6) * 1000)
      .ldelim();
  }
  return Buffer.from(writer.finish());
}

const varint = 0;
const delimited = 2;

function tag(field: number, wireType: number): number {
  return (field << 3) | wireType;
}
