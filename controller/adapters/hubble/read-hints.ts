import type { FlowLimits } from '../flow-file/flow-limits.ts';
import { type HubbleHints, hubbleHints } from '../flow-file/hubble-peer.ts';
import type { WireCursor } from './wire-cursor.ts';

/** Reads the DNS names and Services of both sides of a `flow.Flow`, up to the cursor's end; few flows have them. */
export function readHints(
  cursor: WireCursor,
  limits: FlowLimits,
): { readonly source: HubbleHints; readonly destination: HubbleHints } {
  const sourceNames: string[] = [];
  const destinationNames: string[] = [];
  let sourceService: object | undefined;
  let destinationService: object | undefined;
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x6a) sourceNames.push(cursor.text());
    else if (tag === 0x72) destinationNames.push(cursor.text());
    else if (tag === 0xa2) sourceService = readService(cursor);
    else if (tag === 0xaa) destinationService = readService(cursor);
    else cursor.skip(tag);
  }
  return {
    source: hubbleHints(sourceNames, sourceService, 'source', limits),
    destination: hubbleHints(destinationNames, destinationService, 'destination', limits),
  };
}

function readService(cursor: WireCursor): object {
  const outer = cursor.enter();
  let name = '';
  let namespace = '';
  while (cursor.hasMore) {
    const tag = cursor.varint();
    if (tag === 0x0a) name = cursor.text();
    else if (tag === 0x12) namespace = cursor.text();
    else cursor.skip(tag);
  }
  cursor.leave(outer);
  return { name, namespace };
}
