import type { Logger } from 'pino';
import type { ControllerMetrics } from '../adapters/prometheus/metrics.ts';
import { ClusterError } from '../model/cluster-error.ts';
import type { AuditLog, AuditRecord, EventRecorder, Notifier } from '../ports.ts';

export interface RecordParts {
  readonly audit: AuditLog;
  readonly notifier: Notifier;
  readonly events: EventRecorder;
  readonly metrics: ControllerMetrics;
  readonly log: Logger;
}

const alarming: ReadonlySet<string> = new Set([
  'ApplyFailed',
  'DriftFound',
  'RolledBack',
  'Deviation',
  'NotEnforced',
  'SealBroken',
  'Retired',
]);

/** Tells auditors, people, machines and the cluster what was done. What cannot be recorded now stays until it can. */
export class RecordKeeping {
  readonly #parts: RecordParts;
  /** Oldest first. */
  readonly #waiting: AuditRecord[] = [];
  #recording: Promise<void> = Promise.resolve();

  constructor(parts: RecordParts) {
    this.#parts = parts;
  }

  /** Rejects with ClusterError when the log cannot be written; the records are kept for the next time. */
  async record(...records: readonly AuditRecord[]): Promise<void> {
    if (records.length === 0) return;
    const known = new Set(this.#waiting.map(wordsOf));
    this.#waiting.push(...records.filter((record) => !known.has(wordsOf(record))));
    await this.#write();
  }

  /** Tries again what waits; nothing has to wait for it. */
  async retry(): Promise<void> {
    if (this.#waiting.length === 0) return;
    try {
      await this.#write();
    } catch (error) {
      if (!(error instanceof ClusterError)) throw error;
    }
  }

  async #write(): Promise<void> {
    // one after the other, whoever asks
    this.#recording = this.#recording.catch(() => undefined).then(() => this.#append());
    await this.#recording;
  }

  async #append(): Promise<void> {
    const { audit, notifier, events, metrics, log } = this.#parts;
    const waiting = [...this.#waiting];
    // the log writes in one go what comes at once, in its order
    await Promise.all(waiting.map((record) => audit.append(record)));
    for (const record of this.#waiting.splice(0, waiting.length)) {
      const { actor, action, subject, digest, message: reason } = record;
      const key = `${subject.namespace}/${subject.name}`;
      log[alarming.has(action) ? 'warn' : 'info']({ key, action, actor, digest, reason }, 'recorded');
      notifier.notify(record);
      metrics.happened(action);
      events.record(subject, alarming.has(action) ? 'Warning' : 'Normal', action, reason);
    }
  }
}

/** All but when: a record that waits is not added again by the next attempt. */
function wordsOf({ actor, action, subject, digest, message }: AuditRecord): string {
  return JSON.stringify([actor, action, subject, digest, message]);
}
