import type { AuditRecord } from '../../ports.ts';
import { recordId } from './hash-chain.ts';

/** Appends are repeated within moments, when a reply got lost. */
const kept = 1_000;

/** The last records of a log, so that an append that is repeated is written once. */
export class RecentRecords {
  readonly #ids = new Set<string>();

  add(record: AuditRecord): void {
    this.#ids.add(recordId(record));
    for (const id of this.#ids) {
      if (this.#ids.size <= kept) return;
      this.#ids.delete(id);
    }
  }

  has(record: AuditRecord): boolean {
    return this.#ids.has(recordId(record));
  }
}
