import type { ExecutionContext } from 'ava';
import { chained, emptyChain, lineOf } from '../../controller/adapters/audit/hash-chain.ts';
import { type AuditEntry, type AuditLog, type AuditRecord, auditActions } from '../../controller/ports.ts';

/** A log for one test, empty. */
export interface OpenedAudit {
  readonly log: AuditLog;
  /** Another one on the same entries, as another process would have. */
  readonly reopen: () => AuditLog;
  /** Changes what is stored, entry by entry, without nanoseg. */
  readonly tamper: (change: (lines: readonly string[]) => readonly string[]) => Promise<void>;
}

type Run = (title: string, implementation: (t: ExecutionContext) => Promise<void>) => void;

/** Everything that nanoseg relies on of an AuditLog, whatever is behind it. */
export function auditLogContract(run: Run, name: string, open: (t: ExecutionContext) => Promise<OpenedAudit>): void {
  const claim = (title: string, check: (t: ExecutionContext, opened: OpenedAudit) => Promise<void>) =>
    run(`${name}: ${title}`, async (t) => check(t, await open(t)));

  claim('an empty log is intact', async (t, { log }) => {
    t.deepEqual(await entriesOf(log), []);
    t.deepEqual(await log.verify(), { intact: true, entries: 0, head: '0'.repeat(64) });
  });

  claim('what was appended is read in its order, each entry bound to the one before it', async (t, { log, reopen }) => {
    const records = auditActions.map((action, i) => ({ ...recordOf(i), action }));
    for (const record of records) await log.append(record);
    const entries = await entriesOf(reopen());
    t.deepEqual(entries.map(withoutChain), records);
    t.deepEqual(
      entries.map(({ sequence }) => sequence),
      records.map((_, i) => i + 1),
    );
    for (const [i, { previous }] of entries.entries()) t.is(previous, entries[i - 1]?.hash ?? '0'.repeat(64));
    const verdict = await reopen().verify();
    t.deepEqual(verdict, { intact: true, entries: records.length, head: entries.at(-1)?.hash });
  });

  claim('text of every kind survives', async (t, { log, reopen }) => {
    const texts = ['', 'two\nlines', '"quoted" \\', 'für ✓ 😀', '\u2028\u0000\u007f', '\ud800 alone', '{"sequence":1}'];
    const records = texts.map((message, i) => ({ ...recordOf(i), message, actor: message }));
    for (const record of records) await log.append(record);
    t.deepEqual((await entriesOf(reopen())).map(withoutChain), records);
    t.true((await log.verify()).intact);
  });

  claim('appends at the same time are all written, each once', async (t, { log, reopen }) => {
    const other = reopen();
    const records = Array.from({ length: 60 }, (_, i) => recordOf(i));
    await Promise.all(records.map((record, i) => (i % 2 === 0 ? log : other).append(record)));
    const entries = await entriesOf(log);
    t.deepEqual(
      entries.map(({ timeMs }) => timeMs).sort((a, b) => a - b),
      records.map(({ timeMs }) => timeMs),
    );
    t.deepEqual(await reopen().verify(), { intact: true, entries: 60, head: entries.at(-1)?.hash });
  });

  claim('two who append in turn do not fork the chain', async (t, { log, reopen }) => {
    const other = reopen();
    for (let i = 0; i < 6; i++) await (i % 2 === 0 ? log : other).append(recordOf(i));
    t.deepEqual(
      (await entriesOf(reopen())).map(withoutChain),
      Array.from({ length: 6 }, (_, i) => recordOf(i)),
    );
    t.true((await log.verify()).intact);
  });

  claim('an append that is repeated is written once', async (t, { log, reopen }) => {
    await log.append(recordOf(1));
    await Promise.all([log.append(recordOf(1)), log.append(recordOf(1)), log.append(recordOf(2))]);
    await reopen().append(recordOf(2));
    t.deepEqual((await entriesOf(log)).map(withoutChain), [recordOf(1), recordOf(2)]);
  });

  const damages: readonly {
    readonly what: string;
    readonly change: (lines: readonly string[]) => readonly string[];
    readonly at: number | undefined;
    readonly says: RegExp;
  }[] = [
    {
      what: 'an entry that was edited',
      change: (l) => l.with(2, l[2]?.replace('user-2', 'user-9') ?? ''),
      at: 3,
      says: /entry 3 was edited/,
    },
    { what: 'an entry that was taken out', change: (l) => l.toSpliced(2, 1), at: 3, says: /entry 3 is missing/ },
    {
      what: 'several that were taken out',
      change: (l) => l.toSpliced(1, 2),
      at: 2,
      says: /entries 2 to 3 are missing/,
    },
    { what: 'the first that was taken out', change: (l) => l.slice(1), at: 1, says: /entry 1 is missing/ },
    {
      what: 'entries in another order',
      change: (l) => [l[0], l[2], l[1], l[3], l[4]].map(String),
      at: 2,
      says: /order was changed/,
    },
    {
      what: 'an entry that was put in twice',
      change: (l) => l.toSpliced(2, 0, String(l[1])),
      at: 3,
      says: /put in twice/,
    },
    {
      what: 'a log that was cut at its end',
      change: (l) => l.slice(0, 3),
      at: undefined,
      says: /entries 4 to 5 are missing at the end/,
    },
    { what: 'a log that was emptied', change: () => [], at: undefined, says: /missing/ },
    { what: 'a foreign line', change: (l) => l.toSpliced(3, 0, '{"message":"hello"}'), at: 4, says: /no entry/ },
    { what: 'a foreign line at the end', change: (l) => [...l, 'hello'], at: 6, says: /no entry/ },
    { what: 'an empty line', change: (l) => l.toSpliced(1, 0, ''), at: 2, says: /no entry/ },
    {
      what: 'other spelling of the same entry',
      change: (l) => l.with(0, String(l[0]).replace(':', ': ')),
      at: 1,
      says: /entry 1 was edited/,
    },
  ];
  for (const { what, change, at, says } of damages) {
    claim(`${what} is found and named, and nothing is appended to the log`, async (t, { log, reopen, tamper }) => {
      for (let i = 0; i < 5; i++) await log.append(recordOf(i));
      await tamper(change);
      const verdict = await reopen().verify();
      if (verdict.intact) {
        t.fail('the damage was not found');
        return;
      }
      t.regex(verdict.message, says);
      if (at !== undefined) t.is(verdict.where.split(':').at(-1), String(at));
      const error = await t.throwsAsync(reopen().append(recordOf(9)));
      t.is(error?.name, 'AuditDamaged');
      await t.throwsAsync(entriesOf(reopen()), { name: 'AuditDamaged' });
    });
  }

  claim('a log that somebody else made from its beginning is found by its end', async (t, { log, tamper, reopen }) => {
    for (let i = 0; i < 3; i++) await log.append(recordOf(i));
    const forged: AuditEntry[] = [];
    for (let i = 10; i < 13; i++) forged.push(chained(recordOf(i), forged.at(-1) ?? emptyChain));
    await tamper(() => forged.map(lineOf));
    const verdict = await reopen().verify();
    t.false(verdict.intact);
    t.regex(verdict.intact ? '' : verdict.message, /entry 3 is not the one that was written/);
  });
}

export function recordOf(i: number): AuditRecord {
  return {
    timeMs: Date.UTC(2026, 0, 31) + i,
    actor: `user-${i}`,
    action: 'Approved',
    subject: { kind: 'PolicyProposal', namespace: 'shop', name: 'deployment-cart' },
    ...(i % 2 === 0 && { digest: `sha256:${String(i % 10).repeat(64)}` }),
    message: `reviewed with team ${i}`,
  };
}

export async function entriesOf(log: AuditLog): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for await (const entry of log.entries()) entries.push(entry);
  return entries;
}

function withoutChain(entry: AuditEntry): AuditRecord {
  const { sequence: _, previous: __, hash: ___, ...record } = entry;
  return record;
}
