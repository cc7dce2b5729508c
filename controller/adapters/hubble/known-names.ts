import { isSameBytes, type WireCursor } from './wire-cursor.ts';

/** Of names that fall on one slot, the later one stays. A power of two. */
const slots = 1 << 12;

interface KnownName {
  readonly bytes: Buffer;
  readonly name: string;
}

/** Reads a few names that come again and again, and makes a text of each only once; in bounded memory. */
export class KnownNames {
  readonly #known: (KnownName | undefined)[] = Array.from({ length: slots });
  readonly #make: (text: string) => string;

  /** `make`: what is made of a text. */
  constructor(make: (text: string) => string) {
    this.#make = make;
  }

  /** The name in these of the cursor's bytes. */
  at({ bytes }: WireCursor, start: number, end: number): string {
    let hash = 0;
    for (let i = Math.max(start, end - 8); i < end; i++) hash = Math.imul(hash ^ (bytes[i] as number), 0x01000193);
    const slot = (hash ^ (hash >>> 12)) & (slots - 1);
    const known = this.#known[slot];
    if (known !== undefined && isSameBytes(bytes, start, end, known.bytes)) return known.name;
    const part = bytes.subarray(start, end);
    const name = this.#make(part.toString());
    this.#known[slot] = { bytes: Buffer.from(part), name };
    return name;
  }
}
