import { Argument, Command, Option } from 'commander';
import { AuditDamaged } from '../../controller/adapters/audit/hash-chain.ts';
import { type AuditAction, type AuditEntry, auditActions } from '../../controller/ports.ts';
import { addConnectionOptions, type AuditReader, type Connect, type ConnectionOptions } from '../connection.ts';
import { shortDigest } from '../../controller/view/decided.ts';
import { printable } from '../render/printable.ts';
import { writeJsonArray } from '../render/json-array.ts';
import { renderTable } from '../render/table.ts';
import { exitCode, type Terminal } from '../terminal.ts';
import { parseSince } from '../time-options.ts';

interface Options extends ConnectionOptions {
  readonly since?: number;
  readonly actor?: string;
  readonly action: readonly AuditAction[];
  readonly name?: string;
  readonly output: 'table' | 'json';
}

const help = `
Examples:
  $ nanoseg audit --since 7d --action Approved Applied
  $ nanoseg audit -n shop --name deployment-cart -o json
  $ nanoseg audit verify

Every entry carries the hash of the one before it: verify finds an entry that was changed, moved or taken out, and the place. In a
cluster the log is in the ConfigMaps nanoseg-audit-… of nanoseg's namespace, in a workspace in audit.jsonl.
verify: exit 0: intact. Exit 1: damaged. Keep the head that it prints: a log that was cut at its end is found by it.`;

export function auditCommand(terminal: Terminal, connect: Connect): Command {
  const command = new Command('audit')
    .summary('read the audit log, or prove that nobody changed it')
    .description('Lists who did what to which proposal and why; audit verify proves that the log is as it was written.')
    .addArgument(new Argument('[verify]', 'prove the log instead of reading it').choices(['verify']))
    .addOption(new Option('--since <when>', 'from then on: 24h, 7d, 2026-11-30').argParser(parseSince))
    .option('--actor <user>', 'only what this user did')
    .addOption(new Option('--action <action...>', 'only these').choices(auditActions).default([], 'all'))
    .option('--name <proposal>', 'only about objects of this name')
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'));
  return addConnectionOptions(command)
    .addHelpText('after', help)
    .action(async (verify: string | undefined, options: Options) => {
      const { auditLog } = await connect({ ...options, allNamespaces: options.namespace === undefined });
      const log = await auditLog();
      if (verify === undefined) await list(log, options, terminal);
      else await prove(log, options, terminal);
    });
}

async function list(log: AuditReader, options: Options, terminal: Terminal): Promise<void> {
  const found: AuditEntry[] = [];
  const damage = await readInto(found, log, options);
  switch (options.output) {
    case 'table':
      if (found.length === 0) terminal.err('no such entries\n');
      else terminal.out(renderTable(columns, found.map(row)));
      break;
    case 'json':
      writeJsonArray(
        found.map((entry) => ({ time: new Date(entry.timeMs).toISOString(), ...entry })),
        terminal.out,
      );
      break;
  }
  if (damage === undefined) return;
  terminal.err(printable(`${damage.message}; what comes after that is not shown\n`, true));
  terminal.exit(exitCode.finding);
}

/** Entries up to the first damage, which is the answer. */
async function readInto(found: AuditEntry[], log: AuditReader, options: Options): Promise<AuditDamaged | undefined> {
  try {
    for await (const entry of log.entries()) if (fits(entry, options)) found.push(entry);
    return undefined;
  } catch (error) {
    if (error instanceof AuditDamaged) return error;
    throw error;
  }
}

function fits({ timeMs, actor, action, subject }: AuditEntry, options: Options): boolean {
  return (
    (options.since === undefined || timeMs >= options.since) &&
    (options.actor === undefined || actor === options.actor) &&
    (options.action.length === 0 || options.action.includes(action)) &&
    (options.name === undefined || subject.name === options.name) &&
    (options.namespace === undefined || subject.namespace === options.namespace)
  );
}

const columns = [
  { title: 'TIME' },
  { title: 'ACTOR' },
  { title: 'ACTION' },
  { title: 'SUBJECT' },
  { title: 'DIGEST' },
  { title: 'MESSAGE' },
] as const;

function row({ timeMs, actor, action, subject, digest, message }: AuditEntry): string[] {
  const name = [subject.namespace, subject.name].filter((part) => part !== '').join('/');
  const cells = [
    new Date(timeMs).toISOString(),
    actor,
    action,
    `${subject.kind} ${name}`,
    digest ? shortDigest(digest) : '-',
    message,
  ];
  return cells.map((cell) => printable(cell));
}

async function prove(log: AuditReader, { output }: Options, terminal: Terminal): Promise<void> {
  const verdict = await log.verify();
  if (output === 'json') terminal.out(`${JSON.stringify(verdict, undefined, 2)}\n`);
  else if (verdict.intact) terminal.out(`intact: ${verdict.entries} entries, head ${verdict.head}\n`);
  else terminal.out(printable(`DAMAGED at ${verdict.where}: ${verdict.message}\n`, true));
  if (!verdict.intact) terminal.exit(exitCode.finding);
}
