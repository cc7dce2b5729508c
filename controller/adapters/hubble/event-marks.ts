import type { EventMark } from './hubble-message.ts';

/** The mark of an event with a uuid, which lies in these bytes. */
export function markOfBytes(node: string, timeUs: number, bytes: Uint8Array, start: number, end: number): EventMark {
  let high = 0x811c9dc5;
  let low = 0x9e3779b9;
  for (let i = start; i < end; i++) {
    high = Math.imul(high ^ (bytes[i] as number), 0x01000193);
    low = Math.imul(low + (bytes[i] as number), 0x85ebca6b) ^ (low >>> 15);
  }
  return { node, timeUs, keyHigh: high >>> 0, keyLow: low >>> 0 };
}

/** The mark of an event without: what is said of it, beside its time and node, must tell it from others. */
export function markOfText(node: string, timeUs: number, text: string): EventMark {
  const bytes = Buffer.from(`${timeUs} ${text}`);
  return markOfBytes(node, timeUs, bytes, 0, bytes.length);
}
