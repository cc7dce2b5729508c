const firstBytes = 1 << 18;

/**
 * Puts texts that come in pieces together as bytes in UTF-8. The room for it is used again: as much memory anew for each large
 * text would make the collector go through the whole heap.
 */
export class TextBytes {
  /** Undefined while somebody still reads what is in it. */
  #room: Buffer | undefined = Buffer.allocUnsafeSlow(firstBytes);

  /** `release` is to be called when the bytes are not needed any more. */
  write(text: string | Iterable<string>): { readonly bytes: Buffer; readonly release: () => void } {
    let room = this.#room ?? Buffer.allocUnsafeSlow(firstBytes);
    this.#room = undefined;
    let length = 0;
    for (const piece of typeof text === 'string' ? [text] : text) {
      // no character of UTF-16 takes more than three bytes
      const most = length + piece.length * 3;
      if (most > room.length) {
        const larger = Buffer.allocUnsafeSlow(Math.max(most, room.length * 2));
        room.copy(larger, 0, 0, length);
        room = larger;
      }
      length += room.write(piece, length);
    }
    return { bytes: room.subarray(0, length), release: () => (this.#room = room) };
  }
}
