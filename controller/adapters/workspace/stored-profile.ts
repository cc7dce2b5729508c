import { readFile } from 'node:fs/promises';
import type { LocatedObject } from '../inventory/located-object.ts';
import { isErrno } from './errno.ts';
import { namespaceIn } from './manifest-folders.ts';
import { objectFromBody, type StoredObject } from './stored-object.ts';
import { profileStatusFile } from './workspace-paths.ts';

/** A SegmentationProfile from the file of the person who wrote it, with the status that nanoseg keeps elsewhere. */
export async function storedProfile(root: string, found: LocatedObject): Promise<StoredObject> {
  const { name, body } = found;
  const namespace = namespaceIn(found);
  const status = await statusOf(profileStatusFile(root, namespace, name));
  const joined = status === undefined ? body : { ...body, status };
  return objectFromBody(joined, { namespace, name }).object;
}

/** Made anew by the controller where it is lost. */
async function statusOf(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
