import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { FileAuditLog } from '../../../controller/adapters/audit/file-audit-log.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { auditLogContract, entriesOf, recordOf } from '../../contract/audit-log.ts';

const appender = fileURLToPath(new URL('append-forever.ts', import.meta.url));

async function openLog(t: ExecutionContext) {
  const root = await mkdtemp(join(tmpdir(), 'nanoseg-audit-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const reopen = () => new FileAuditLog({ root, clock: systemClock });
  return { root, file: join(root, 'audit.jsonl'), head: join(root, 'audit.head.json'), log: reopen(), reopen };
}

auditLogContract(test, 'file', async (t) => {
  const { file, log, reopen } = await openLog(t);
  return {
    log,
    reopen,
    tamper: async (change) => {
      const lines = (await readFile(file, 'utf8')).split('\n').slice(0, -1);
      await writeFile(
        file,
        change(lines)
          .map((line) => `${line}\n`)
          .join(''),
      );
    },
  };
});

test('any changed byte of the log or of its head is found, and any line that is missing', async (t) => {
  const { file, head, log, reopen } = await openLog(t);
  for (let i = 0; i < 4; i++) await log.append({ ...recordOf(i), message: 'größer \ufffd' });
  const whole = await readFile(file);
  const end = await readFile(head);
  const lines = whole.toString().split('\n').slice(0, -1);
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.record({ in: fc.constant(file), at: fc.nat(whole.length - 1), by: fc.integer({ min: 1, max: 255 }) }),
        fc.record({ in: fc.constant(head), at: fc.nat(end.length - 1), by: fc.integer({ min: 1, max: 255 }) }),
        fc.record({ without: fc.nat(lines.length - 1) }),
        fc.record({ cutTo: fc.nat(whole.length - 1) }),
      ),
      async (damage) => {
        if ('without' in damage)
          await writeFile(
            file,
            lines
              .toSpliced(damage.without, 1)
              .map((line) => `${line}\n`)
              .join(''),
          );
        else if ('cutTo' in damage) await truncate(file, damage.cutTo);
        else {
          const bytes = Buffer.from(damage.in === file ? whole : end);
          bytes[damage.at] = (bytes[damage.at] ?? 0) ^ damage.by;
          await writeFile(damage.in, bytes);
        }
        const { intact } = await reopen().verify();
        await t.throwsAsync(reopen().open(), { name: 'AuditDamaged' });
        await writeFile(file, whole);
        await writeFile(head, end);
        return !intact;
      },
    ),
    { numRuns: 300 },
  );
  t.true((await reopen().verify()).intact);
});

test('each kind of lost file is found, but for the loss of all', async (t) => {
  const { file, head, log, reopen } = await openLog(t);
  for (let i = 0; i < 2; i++) await log.append(recordOf(i));
  const end = await readFile(head);
  await rm(head);
  t.like(await reopen().verify(), { intact: false, where: 'audit.head.json' });
  await t.throwsAsync(reopen().append(recordOf(3)), { name: 'AuditDamaged' });
  await writeFile(head, end);
  await rm(file);
  t.like(await reopen().verify(), { intact: false, where: 'audit.jsonl' });
  await rm(head);
  t.deepEqual(await reopen().verify(), { intact: true, entries: 0, head: '0'.repeat(64) });
});

test('an entry that a crash cut off is named, and taken away before the next one', async (t) => {
  const { file, log, reopen } = await openLog(t);
  for (let i = 0; i < 2; i++) await log.append(recordOf(i));
  await appendFile(file, '{"sequence":3,"time":"2026-01-31T');
  const verdict = await reopen().verify();
  t.like(verdict, { intact: false, where: 'audit.jsonl:3' });
  t.regex(verdict.intact ? '' : verdict.message, /cut off .* never acknowledged/);
  t.is((await entriesOf(reopen())).length, 2);
  const next = reopen();
  t.regex((await next.open()) ?? '', /entry 3 .* taken away/);
  await next.append(recordOf(5));
  t.like(await reopen().verify(), { intact: true, entries: 3 });
  t.is(await reopen().open(), undefined);
});

test('a whole entry that a crash left unacknowledged is taken, and written once when it is repeated', async (t) => {
  const { head, log, reopen } = await openLog(t);
  await log.append(recordOf(0));
  const before = await readFile(head);
  await log.append(recordOf(1));
  await writeFile(head, before);
  t.like(await reopen().verify(), { intact: true, entries: 2 });
  const next = reopen();
  t.is(await next.open(), undefined);
  await next.append(recordOf(1));
  await next.append(recordOf(2));
  t.like(await reopen().verify(), { intact: true, entries: 3 });
});

test('what the end of an acknowledged entry lost is no crash', async (t) => {
  const { file, log, reopen } = await openLog(t);
  for (let i = 0; i < 3; i++) await log.append(recordOf(i));
  await truncate(file, (await readFile(file)).length - 5);
  t.like(await reopen().verify(), { intact: false });
  await t.throwsAsync(reopen().open(), { name: 'AuditDamaged' });
});

test('killed at any moment, the log keeps every entry that was acknowledged, and the chain', async (t) => {
  const { root, reopen } = await openLog(t);
  const acknowledged: string[] = [];
  for (let round = 0; round < 6; round++) {
    const child = spawn(process.execPath, [appender, root, String(round)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await once(child.stdout, 'data');
    setTimeout(() => child.kill('SIGKILL'), Math.random() * 120);
    await once(child, 'close');
    acknowledged.push(...output.split('\n').filter((line) => line !== ''));
    const log = reopen();
    await log.open();
    t.like(await log.verify(), { intact: true });
  }
  const messages = (await entriesOf(reopen())).map(({ message }) => message);
  t.is(new Set(messages).size, messages.length);
  const kept = new Set(messages);
  t.deepEqual(
    acknowledged.filter((message) => !kept.has(message)),
    [],
  );
  t.true(acknowledged.length > 6);
});
