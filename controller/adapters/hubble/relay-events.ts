import { withoutCluster } from '../flow-file/hubble-fields.ts';
import { validTime } from '../flow-file/rfc3339.ts';
import { UnusableRecord } from '../flow-file/unusable-record.ts';
import { keyOfText } from './event-key.ts';
import type { HubbleMessage } from './hubble-message.ts';
import type { WireCursor } from './wire-cursor.ts';

/** Reads `flow.LostEvent`, up to the cursor's end: an agent dropped events, before or after they came to its memory. */
export function readLostEvents(cursor: WireCursor, node: string, timeUs: number): HubbleMessage {
  let source = 0;
  let events = 0;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x08) source = cursor.varint();
    else if (tag === 0x10) events = cursor.count();
    else cursor.skip(tag);
  }
  const timeMs = timeUs < 0 ? undefined : validTime(Math.floor(timeUs / 1000));
  if (timeMs === undefined)
    throw new UnusableRecord(timeUs < 0 ? 'no time' : 'time: expected a time from 1970 to 2200');
  return {
    kind: 'loss',
    loss: { timeMs, source: 'hubble', node, events: events === 0 ? undefined : events, kind: 'lost' },
    timeUs,
    key: keyOfText(`lost ${timeUs} ${source} ${events}`),
  };
}

/** Reads `relay.NodeStatusEvent`, up to the cursor's end; any state but CONNECTED means that the nodes are not observed. */
export function readNodeStatus(cursor: WireCursor, timeUs: number): HubbleMessage {
  let state = 0;
  const nodes: string[] = [];
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x08) state = cursor.varint();
    else if (tag === 0x12) nodes.push(withoutCluster(cursor.text()));
    else cursor.skip(tag);
  }
  const timeMs = timeUs < 0 ? undefined : validTime(Math.floor(timeUs / 1000));
  return { kind: 'nodes', nodes, connected: state === 1, timeMs };
}
