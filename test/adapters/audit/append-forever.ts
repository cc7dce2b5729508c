import { FileAuditLog } from '../../../controller/adapters/audit/file-audit-log.ts';
import { systemClock } from '../../../controller/adapters/system-clock.ts';
import { recordOf } from '../../contract/audit-log.ts';

/** A process that appends until it is killed; each message goes out only after its entry is acknowledged. */
const [root = '', round = ''] = process.argv.slice(2);
const log = new FileAuditLog({ root, clock: systemClock });
for (let i = 0; ; i += 3) {
  const messages = [0, 1, 2].map((j) => `${round}-${i + j} ${'long '.repeat(500)}`);
  await Promise.all(
    messages.map(async (message, j) => {
      await log.append({ ...recordOf(i + j), message });
      process.stdout.write(`${message}\n`);
    }),
  );
}
