import { readFile } from 'node:fs/promises';
import { isRecord, type LocatedObject } from '../inventory/located-object.ts';
import { isErrno } from './errno.ts';
import { namespaceIn } from './manifest-folders.ts';
import { objectFromBody, specHashOf, specOf, type StoredObject } from './stored-object.ts';
import { profileStatusFile } from './workspace-paths.ts';

/** What nanoseg keeps of a profile beside the file of the person who wrote it. */
interface KeptStatus {
  readonly status: unknown;
  /** Of the spec that the status is about, and which change of it that is. */
  readonly spec: string;
  readonly generation: number;
}

/** A SegmentationProfile from the file of the person who wrote it; another spec than the known one is a new generation. */
export async function storedProfile(root: string, found: LocatedObject): Promise<StoredObject> {
  const { name, body } = found;
  const namespace = namespaceIn(found);
  const kept = await keptStatus(profileStatusFile(root, namespace, name));
  const { object } = objectFromBody(kept === undefined ? body : { ...body, status: kept.status }, { namespace, name });
  if (kept === undefined) return object;
  const isKnown = kept.spec === specHashOf(specOf(object));
  const generation = Math.max(object.metadata.generation ?? 1, kept.generation + (isKnown ? 0 : 1));
  return { ...object, metadata: { ...object.metadata, generation } };
}

/** The content of the file that keeps the status of a profile. */
export function textOfProfileStatus(profile: StoredObject, status: unknown): string {
  const generation = profile.metadata.generation ?? 1;
  const kept: KeptStatus = { status, spec: specHashOf(specOf(profile)), generation };
  return JSON.stringify(kept);
}

/** Made anew by the controller where it is lost. */
async function keptStatus(file: string): Promise<KeptStatus | undefined> {
  try {
    const kept: unknown = JSON.parse(await readFile(file, 'utf8'));
    if (!isRecord(kept)) return undefined;
    const { status, spec, generation } = kept;
    return typeof spec === 'string' && typeof generation === 'number' ? { status, spec, generation } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
