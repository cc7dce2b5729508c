import { statSync } from 'node:fs';

/** File systems count time in steps; a file that changed in the step in which it was read may change unseen. */
const timeStepMs = 50;

interface Entry<Value> {
  readonly signature: string;
  readonly value: Value;
}

export interface CachedValue<Value> {
  readonly value: Value | undefined;
  readonly settled: boolean;
}

/** What was made of files, kept for as long as they do not change. */
export class FileCache<Value> {
  readonly #entries = new Map<string, Entry<Value>>();

  /**
   * The value made of these files (some of which may not exist). Files that changed less than `settleMs` ago may still be
   * in the making: then the value from before comes, or undefined where there was none, and `settled` is false.
   * `unfinished` says which values to doubt for that reason; without it all are, and the files are not even read.
   */
  async read(
    files: readonly string[],
    make: () => Promise<Value>,
    settleMs = 0,
    unfinished?: (value: Value) => boolean,
  ): Promise<CachedValue<Value>> {
    const key = files[0] ?? '';
    const { signature, ageMs } = signatureOf(files);
    const known = this.#entries.get(key);
    if (known !== undefined && known.signature === signature) return { value: known.value, settled: true };
    const fresh = ageMs < settleMs;
    if (fresh && unfinished === undefined) return { value: known?.value, settled: false };
    const value = await make();
    if (fresh && unfinished?.(value) === true) return { value: known?.value, settled: false };
    this.#entries.set(key, { signature: ageMs < timeStepMs ? '' : signature, value });
    return { value, settled: true };
  }

  /** Forgets every value whose first file is not among these. */
  keepOnly(files: ReadonlySet<string>): void {
    for (const key of this.#entries.keys()) if (!files.has(key)) this.#entries.delete(key);
  }
}

/** Synchronous, because it is asked for thousands of files in a row: that is ten times cheaper. */
function signatureOf(files: readonly string[]): { readonly signature: string; readonly ageMs: number } {
  const now = Date.now();
  let signature = '';
  let ageMs = Number.POSITIVE_INFINITY;
  for (const file of files) {
    const status = statSync(file, { bigint: true, throwIfNoEntry: false });
    if (status === undefined) {
      signature += 'none;';
      continue;
    }
    const { dev, ino, size, mtimeNs, ctimeNs } = status;
    signature += `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs};`;
    // a clock that was set back must not hold a file back for ever
    ageMs = Math.min(ageMs, Math.abs(now - Number(ctimeNs / 1_000_000n)));
  }
  return { signature, ageMs };
}
