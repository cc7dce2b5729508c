import { join } from 'node:path';
import { FileAuditLog } from './adapters/audit/file-audit-log.ts';
import { SqliteConnectionStore } from './adapters/sqlite/sqlite-connection-store.ts';
import { systemClock } from './adapters/system-clock.ts';
import { DirectoryFeed } from './adapters/workspace/directory-feed.ts';
import { DirectoryLock } from './adapters/workspace/directory-lock.ts';
import { DirectoryStore } from './adapters/workspace/directory-store.ts';
import { EventFile } from './adapters/workspace/event-file.ts';
import { ManifestFolders } from './adapters/workspace/manifest-folders.ts';
import { volatileFolder } from './adapters/workspace/workspace-lock.ts';
import { type Backend, type ControllerParts, identity } from './backend.ts';
import type { Problem } from './model/problem.ts';
import { openEvidence } from './intake/open-evidence.ts';

/** A directory of files in the place of a cluster. */
export async function workspaceBackend(root: string, { config, log }: ControllerParts): Promise<Backend> {
  const manifests = new ManifestFolders(root);
  const report = (found: Problem) => log.warn({ problem: found }, 'a file cannot be used');
  const store = new DirectoryStore({ root, clock: systemClock, report, manifests });
  const audit = new FileAuditLog({ root, clock: systemClock });
  return {
    feed: new DirectoryFeed({ root, clock: systemClock, manifests }),
    storeFor: () => store,
    leadership: new DirectoryLock({ root, clock: systemClock, identity }),
    auditFor: () => audit,
    events: new EventFile({ root, clock: systemClock }),
    openEvidence: (running) =>
      openEvidence(
        {
          config,
          log,
          embedded: async () => new SqliteConnectionStore(join(await volatileFolder(root), 'evidence.db')),
        },
        running,
      ),
    verifyStamp: () => 'stamped approvals need an API server; nobody can check this one here',
    sealing: undefined,
    controllerUser: 'nanoseg',
    portRanges: undefined,
    pushAccess: undefined,
    degraded: () => [],
    run: async () => undefined,
    close: async () => undefined,
  };
}
