import type protobuf from 'protobufjs/minimal.js';
import { withoutCluster } from '../flow-file/hubble-fields.ts';
import { validTime } from '../flow-file/rfc3339.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { markOfText } from './event-marks.ts';
import type { HubbleMessage } from './hubble-message.ts';
import { readCount } from './wire.ts';

/** Reads `flow.LostEvent`, up to the reader's end: an agent dropped events, before or after they came to its memory. */
export function readLostEvents(reader: protobuf.Reader, node: string, timeUs: number): HubbleMessage {
  let source = 0;
  let events = 0;
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) source = reader.int32();
    else if (tag === 0x10) events = readCount(reader);
    else reader.skipType(tag & 7);
  }
  const timeMs = timeUs < 0 ? undefined : validTime(Math.floor(timeUs / 1000));
  if (timeMs === undefined)
    throw new UnusableRecord(timeUs < 0 ? 'no time' : 'time: expected a time from 1970 to 2200');
  return {
    kind: 'loss',
    loss: { timeMs, source: 'hubble', node, events: events === 0 ? undefined : events, kind: 'lost' },
    mark: markOfText(node, timeUs, `lost ${source} ${events}`),
  };
}

/** Reads `relay.NodeStatusEvent`, up to the reader's end; any state but CONNECTED means that the nodes are not observed. */
export function readNodeStatus(reader: protobuf.Reader, timeUs: number): HubbleMessage {
  let state = 0;
  const nodes: string[] = [];
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === 0x08) state = reader.int32();
    else if (tag === 0x12) nodes.push(withoutCluster(reader.string()));
    else reader.skipType(tag & 7);
  }
  const timeMs = timeUs < 0 ? undefined : validTime(Math.floor(timeUs / 1000));
  return { kind: 'nodes', nodes, connected: state === 1, timeMs };
}
