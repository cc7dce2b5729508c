import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { FileAuditLog } from '../../../controller/adapters/audit/file-audit-log.ts';
import type { AuditRecord, Clock } from '../../../controller/ports.ts';
import { digestOf } from '../../support/proposals.ts';
import { runCli } from '../../support/run-cli.ts';
import { workspaceOf } from '../../support/workspace.ts';

const clock: Clock = { now: () => Date.now(), sleep: (ms, signal) => sleep(ms, undefined, { signal }) };
const subject = (name: string) => ({ kind: 'PolicyProposal', namespace: 'shop', name });
const records: readonly AuditRecord[] = [
  {
    timeMs: Date.UTC(2026, 9, 1),
    actor: 'nanoseg',
    action: 'Proposed',
    subject: subject('deployment-cart'),
    message: 'one',
  },
  {
    timeMs: Date.UTC(2026, 10, 1),
    actor: 'alice',
    action: 'Approved',
    subject: subject('deployment-cart'),
    digest: digestOf('a'),
    message: 'two \u001b[2J',
  },
  {
    timeMs: Date.UTC(2026, 10, 2),
    actor: 'nanoseg',
    action: 'Applied',
    subject: subject('deployment-db'),
    message: 'three',
  },
];

test('the audit log is read with filters, and proved', async (t) => {
  const { root } = await workspaceOf(t, []);
  const log = new FileAuditLog({ root, clock });
  for (const record of records) await log.append(record);
  const audit = (...args: string[]) => runCli('audit', ...args, '--workspace', root);
  const messages = async (...args: string[]) =>
    (JSON.parse((await audit('-o', 'json', ...args)).out) as { message: string }[]).map(({ message }) => message[1]);
  const { code, out } = await audit();
  t.is(code, 0);
  t.regex(out, /^TIME +ACTOR +ACTION +SUBJECT +DIGEST +MESSAGE\n/);
  t.regex(
    out,
    /^2026-11-01T00:00:00\.000Z {2}alice +Approved {2}PolicyProposal shop\/deployment-cart {2}sha256:a{12} {2}two \?\[2J$/m,
  );
  t.deepEqual(await messages(), ['n', 'w', 'h']);
  t.deepEqual(await messages('--since', '2026-11-01'), ['w', 'h']);
  t.deepEqual(await messages('--actor', 'alice'), ['w']);
  t.deepEqual(await messages('--action', 'Proposed', 'Applied'), ['n', 'h']);
  t.deepEqual(await messages('--name', 'deployment-db', '-n', 'shop'), ['h']);
  t.deepEqual(await messages('-n', 'blog'), []);
  const verdict = await audit('verify');
  t.is(verdict.code, 0);
  t.regex(verdict.out, /^intact: 3 entries, head [0-9a-f]{64}\n$/);
});

test('a changed entry is found and named by audit verify, and what was before it is still read', async (t) => {
  const { root } = await workspaceOf(t, []);
  const log = new FileAuditLog({ root, clock });
  for (const record of records) await log.append(record);
  const file = join(root, 'audit.jsonl');
  await writeFile(file, (await readFile(file, 'utf8')).replace('alice', 'malic'));
  const verdict = await runCli('audit', 'verify', '--workspace', root);
  t.is(verdict.code, 1);
  t.regex(verdict.out, /^DAMAGED at .*audit\.jsonl:2: /);
  const list = await runCli('audit', '--workspace', root);
  t.is(list.code, 1);
  t.regex(list.out, /Proposed/);
  t.notRegex(list.out, /malic/);
  t.regex(list.err, /audit\.jsonl:2.*not shown/);
});
