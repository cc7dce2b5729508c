/** The key of an event with a uuid, which lies in these bytes. */
export function keyOfBytes(bytes: Uint8Array, start: number, end: number): number {
  let high = 0x811c9dc5;
  let low = 0x9e3779b9;
  for (let i = start; i < end; i += 4) {
    // behind the last byte there is nothing, which counts as 0
    const word =
      (bytes[i] as number) |
      (at(bytes, i + 1, end) << 8) |
      (at(bytes, i + 2, end) << 16) |
      (at(bytes, i + 3, end) << 24);
    high = Math.imul(high ^ word, 0x01000193) ^ (high >>> 15);
    low = Math.imul(low ^ word, 0x85ebca6b) + high;
  }
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}

/** The key of an event without: the text must tell it from others of its node. */
export function keyOfText(text: string): number {
  const bytes = Buffer.from(text);
  return keyOfBytes(bytes, 0, bytes.length);
}

function at(bytes: Uint8Array, i: number, end: number): number {
  return i < end ? (bytes[i] as number) : 0;
}
