const firstBytes = 1 << 18;

/** A text that comes in pieces as bytes in UTF-8, put together once: pieces that are kept would keep the collector busy. */
export function textBytes(text: string | Iterable<string>): Buffer {
  if (typeof text === 'string') return Buffer.from(text);
  let bytes = Buffer.allocUnsafeSlow(firstBytes);
  let length = 0;
  for (const piece of text) {
    // no character of UTF-16 takes more than three bytes
    const most = length + piece.length * 3;
    if (most > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(most, bytes.length * 2));
      bytes.copy(larger, 0, 0, length);
      bytes = larger;
    }
    length += bytes.write(piece, length);
  }
  return bytes.subarray(0, length);
}
