import { createHash } from 'node:crypto';
import { z } from 'zod';
import { type AuditEntry, type AuditRecord, type AuditVerdict, auditActions } from '../../ports.ts';

/** The end of a chain: what the next entry follows. */
export interface ChainHead {
  /** Entries so far. */
  readonly sequence: number;
  /** Hash of the last one. */
  readonly hash: string;
}

/** Before the first entry. */
export const emptyChain: ChainHead = { sequence: 0, hash: '0'.repeat(64) };

/** A log that cannot be trusted: nothing is appended to it. */
export class AuditDamaged extends Error {
  /** File and line, or ConfigMap and entry. */
  readonly where: string;

  readonly sentence: string;

  constructor(where: string, sentence: string) {
    super(`the audit log is damaged: ${where}: ${sentence}`);
    this.name = 'AuditDamaged';
    this.where = where;
    this.sentence = sentence;
  }
}

/** The record as the entry that follows the head. */
export function chained(record: AuditRecord, head: ChainHead): AuditEntry {
  const { timeMs, actor, action, subject, digest, message } = record;
  const { kind, namespace, name } = subject;
  const unsigned = {
    sequence: head.sequence + 1,
    timeMs: Math.trunc(timeMs),
    actor,
    action,
    subject: { kind, namespace, name },
    ...(digest !== undefined && { digest }),
    message,
    previous: head.hash,
  };
  return { ...unsigned, hash: hashOf(unsigned) };
}

/**
 * One line of JSON without a line break: fields in a fixed order, the time as RFC 3339 in UTC with milliseconds. `hash` is
 * the SHA-256, in hex, of the line as it is without the field `hash`. There is one spelling of each entry, so that any
 * changed byte of it is seen.
 */
export function lineOf({ hash, ...unsigned }: AuditEntry): string {
  return `${unsignedLine(unsigned).slice(0, -1)},"hash":"${hash}"}`;
}

function hashOf(unsigned: Omit<AuditEntry, 'hash'>): string {
  return createHash('sha256').update(unsignedLine(unsigned)).digest('hex');
}

function unsignedLine({
  sequence,
  timeMs,
  actor,
  action,
  subject,
  digest,
  message,
  previous,
}: Omit<AuditEntry, 'hash'>) {
  const { kind, namespace, name } = subject;
  return JSON.stringify({
    sequence,
    time: new Date(timeMs).toISOString(),
    actor,
    action,
    subject: { kind, namespace, name },
    digest,
    message,
    previous,
  });
}

/** Equal records have one id, however often and in whatever place they are appended. */
export function recordId(record: AuditRecord): string {
  return chained(record, emptyChain).hash;
}

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const entrySchema = z.strictObject({
  sequence: z.int().min(1),
  time: z.iso.datetime({ precision: 3 }),
  actor: z.string(),
  action: z.enum(auditActions),
  subject: z.strictObject({ kind: z.string(), namespace: z.string(), name: z.string() }),
  digest: z.string().optional(),
  message: z.string(),
  previous: hash,
  hash,
});

/** The entry of a line, if it follows the head; otherwise what is wrong, in words. */
export function entryAfter(head: ChainHead, line: string): AuditEntry | string {
  const entry = parseLine(line);
  if (entry === undefined) return 'the line is no entry of an audit log: it was edited, or is not from nanoseg';
  const { hash: stated, ...unsigned } = entry;
  if (hashOf(unsigned) !== stated || lineOf(entry) !== line) return `entry ${entry.sequence} was edited`;
  if (entry.sequence > head.sequence + 1) return missingEntries(head.sequence + 1, entry.sequence - 1);
  if (entry.sequence <= head.sequence) {
    return `entry ${entry.sequence} stands behind entry ${head.sequence}: the order was changed, or it was put in twice`;
  }
  if (entry.previous !== head.hash)
    return `entry ${entry.sequence} does not follow the one before it: one was replaced`;
  return entry;
}

function missingEntries(from: number, to: number): string {
  return from === to ? `entry ${from} is missing` : `entries ${from} to ${to} are missing`;
}

function parseLine(line: string): AuditEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) return undefined;
  const { time, digest, ...rest } = parsed.data;
  return { ...rest, timeMs: Date.parse(time), ...(digest !== undefined && { digest }) };
}

/** A line of a log, and where it stands. */
export interface ChainLine {
  readonly text: string;
  readonly where: string;
}

/**
 * The entries of a chain in their order, proved up to its head; entries behind the head were written and not acknowledged.
 * Throws AuditDamaged at the first line that is no entry or not the next one, and where the chain ends before its head.
 * `place` is the log as a whole.
 */
export async function* provedEntries(
  lines: AsyncIterableIterator<ChainLine>,
  head: ChainHead,
  place: string,
): AsyncIterable<AuditEntry> {
  let last = emptyChain;
  if (head.sequence === 0 && head.hash !== emptyChain.hash) throw new AuditDamaged(place, 'its head was changed');
  for await (const { text, where } of lines) {
    const entry = entryAfter(last, text);
    if (typeof entry === 'string') throw new AuditDamaged(where, await orderOrLoss(entry, last, lines));
    if (entry.sequence === head.sequence && entry.hash !== head.hash) {
      throw new AuditDamaged(place, `entry ${entry.sequence} is not the one that was written: the log was made anew`);
    }
    yield entry;
    last = entry;
  }
  if (last.sequence < head.sequence) {
    throw new AuditDamaged(place, `${missingEntries(last.sequence + 1, head.sequence)} at the end: the log was cut`);
  }
}

/** Where the chain ends that these are the entries of. */
export async function endOf(entries: AsyncIterable<AuditEntry>): Promise<ChainHead> {
  let end = emptyChain;
  for await (const { sequence, hash: last } of entries) end = { sequence, hash: last };
  return end;
}

/** An entry that comes later is not missing: it is out of order. */
async function orderOrLoss(fault: string, head: ChainHead, rest: AsyncIterableIterator<ChainLine>): Promise<string> {
  if (!fault.endsWith('missing')) return fault;
  for await (const { text } of rest) {
    if (parseLine(text)?.sequence === head.sequence + 1)
      return `entry ${head.sequence + 1} comes later: the order was changed`;
  }
  return fault;
}

/** What a proof says, as a value. */
export async function verdictOf(proof: Promise<ChainHead>): Promise<AuditVerdict> {
  try {
    const { sequence, hash: head } = await proof;
    return { intact: true, entries: sequence, head };
  } catch (error) {
    if (!(error instanceof AuditDamaged)) throw error;
    return { intact: false, where: error.where, message: error.sentence };
  }
}
