import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { isErrno } from './errno.ts';

/**
 * Replaces a file as one step that survives a crash and the loss of power: whoever reads sees all of the old text or all
 * of the new one. One writer at a time: the caller holds the lock of the workspace.
 */
export async function writeDurably(path: string, text: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = temporaryOf(path);
  {
    await using file = await open(temporary, 'w');
    await file.writeFile(text);
    await file.sync();
  }
  await rename(temporary, path);
  await syncFolder(folder);
}

/** Removes a file, if it is there, so that it stays removed after a crash. */
export async function removeDurably(path: string): Promise<void> {
  await rm(path, { force: true });
  await syncFolder(dirname(path));
}

/** As writeDurably for readers, without its price: what a loss of power takes away is made anew. */
export async function writeVolatile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryOf(path);
  {
    await using file = await open(temporary, 'w');
    await file.writeFile(text);
  }
  await rename(temporary, path);
}

/** Hidden, so that no reader of manifests takes it for one; always the same, so that a crash leaves one at most. */
function temporaryOf(path: string): string {
  return join(dirname(path), `.${basename(path)}.tmp`);
}

async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder, 'r');
    await handle.sync();
  } catch (error) {
    // a folder that is gone keeps nothing, and some systems cannot sync folders
    if (!isErrno(error, 'ENOENT', 'EISDIR', 'EPERM', 'EINVAL')) throw error;
  }
}
