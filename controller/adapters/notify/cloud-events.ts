import type { AuditAction, AuditRecord } from '../../ports.ts';
import { recordId } from '../audit/hash-chain.ts';

/** CloudEvents 1.0 in the structured JSON format, as far as nanoseg uses it. */
export interface CloudEvent {
  readonly specversion: '1.0';
  /** The same for the same record, so that a receiver knows what it was sent twice. */
  readonly id: string;
  readonly source: string;
  readonly type: `io.nanoseg.${AuditAction}`;
  /** `Kind/namespace/name`, without the namespace where there is none. */
  readonly subject: string;
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly data: {
    readonly actor: string;
    readonly action: AuditAction;
    readonly subject: AuditRecord['subject'];
    readonly digest?: string;
    readonly message: string;
  };
}

/** What a record says, for other systems. `source` is a URI reference that names this installation. */
export function cloudEvent(record: AuditRecord, source: string): CloudEvent {
  const { timeMs, actor, action, digest, message } = record;
  const { kind, namespace, name } = record.subject;
  return {
    specversion: '1.0',
    id: recordId(record),
    source,
    type: `io.nanoseg.${action}`,
    subject: [kind, namespace, name].filter((part) => part !== '').join('/'),
    time: new Date(timeMs).toISOString(),
    datacontenttype: 'application/json',
    data: {
      actor,
      action,
      subject: { kind, namespace, name },
      ...(digest !== undefined && { digest }),
      message,
    },
  };
}
