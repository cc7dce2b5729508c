import { DatabaseSync } from 'node:sqlite';
import { problem } from '../../model/problem.ts';
import { ConnectionFileError } from './connection-file-error.ts';
import { applicationId, migrations } from './schema.ts';

/** A process that was just killed may need a moment to let go of the file. */
const waitForOtherMs = 500;

/** Primary result codes of SQLite (sqlite.org/rescode.html). */
const resultCode = { BUSY: 5, LOCKED: 6, CORRUPT: 11, FULL: 13, CANTOPEN: 14, NOTADB: 26 } as const;

/**
 * Opens or makes the file, checks every page of it, and brings it to the present version. Throws ConnectionFileError and
 * leaves the file as it is when it is damaged, of something else, of a newer version or in use.
 */
export function openConnectionFile(path: string): DatabaseSync {
  const database = translated(path, () => new DatabaseSync(path, { timeout: waitForOtherMs }));
  try {
    translated(path, () => prepare(database, path));
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function prepare(database: DatabaseSync, path: string): void {
  // one process at a time, so that nothing is counted by two
  database.exec('PRAGMA locking_mode = EXCLUSIVE');
  const version = numberOf(database, 'user_version');
  const id = numberOf(database, 'application_id');
  const isNew = version === 0 && id === 0 && database.prepare('SELECT 1 FROM sqlite_schema').get() === undefined;
  if (!isNew && id !== applicationId) {
    throw unreadable(path, 'it is a database of something else than nanoseg');
  }
  if (version > migrations.length) {
    const message = `the evidence is of version ${version}, this nanoseg knows versions up to ${migrations.length}`;
    throw new ConnectionFileError(problem('EvidenceNewer', message, path), { retryable: false });
  }
  const [found] = database.prepare('PRAGMA integrity_check(1)').all();
  const verdict = String(found?.['integrity_check']);
  if (verdict !== 'ok') throw unreadable(path, `it is damaged: ${verdict}`);
  // committed transactions are in the log, which is written out by and by; who pushed flows was told that they are safe, so
  // that the log is flushed to the disk with each of them
  database.exec('PRAGMA journal_mode = WAL');
  database.exec('PRAGMA synchronous = FULL');
  database.exec('PRAGMA cache_size = -65536');
  database.exec('BEGIN IMMEDIATE');
  for (const migration of migrations.slice(version)) database.exec(migration);
  database.exec(`PRAGMA application_id = ${applicationId}`);
  database.exec(`PRAGMA user_version = ${migrations.length}`);
  database.exec('COMMIT');
}

function numberOf(database: DatabaseSync, pragma: 'user_version' | 'application_id'): number {
  return Number(database.prepare(`PRAGMA ${pragma}`).get()?.[pragma]);
}

function unreadable(path: string, message: string, cause?: unknown): ConnectionFileError {
  return new ConnectionFileError(problem('EvidenceUnreadable', message, path), { retryable: false, cause });
}

/** Runs work on the file; what SQLite throws comes out as ConnectionFileError. */
export function translated<Result>(path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    // only we write into it, and what we write is JSON
    if (error instanceof SyntaxError) throw unreadable(path, `it is damaged: ${error.message}`, error);
    if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') throw error;
    switch (error.errcode & 0xff) {
      case resultCode.BUSY:
      case resultCode.LOCKED:
        throw new ConnectionFileError(problem('EvidenceInUse', 'another process has the file open', path), {
          retryable: true,
          cause: error,
        });
      case resultCode.CORRUPT:
      case resultCode.NOTADB:
        throw unreadable(path, `it is damaged: ${error.message}`, error);
      case resultCode.CANTOPEN:
        throw unreadable(path, `it cannot be opened: ${error.message}`, error);
      default:
        throw new ConnectionFileError(
          problem('EvidenceUnreadable', `it cannot be read or written: ${error.message}`, path),
          { retryable: true, cause: error },
        );
    }
  }
}
