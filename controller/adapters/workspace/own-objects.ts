import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ObjectRef } from '../../model/kubernetes-object.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { isErrno } from './errno.ts';
import { readManifestFile } from './manifest-files.ts';
import { parseManifests } from './parse-manifests.ts';
import { objectFromBody, type ReadObject } from './stored-object.ts';
import { isFileName, liveFile, type OwnKind, ownApiVersions, ownFile, ownFolders } from './workspace-paths.ts';

/** Broken: the file is there, and is not the one object that its path names. It is never written over. */
export type OwnReading =
  | { readonly kind: 'absent' }
  | ({ readonly kind: 'read'; readonly where: string } & ReadObject)
  | { readonly kind: 'broken'; readonly problems: readonly Problem[] };

export interface OwnRef extends ObjectRef {
  readonly kind: OwnKind;
  /** All files that the object is made of, its own first. */
  readonly files: readonly string[];
}

export function ownRef(root: string, kind: OwnKind, namespace: string, name: string): OwnRef {
  const file = ownFile(root, kind, namespace, name);
  const files = kind === 'PolicyProposal' ? [file, liveFile(root, namespace, name)] : [file];
  return { kind, namespace, name, files };
}

export async function readOwnObject({ kind, namespace, name, files }: OwnRef): Promise<OwnReading> {
  const [file = '', live] = files;
  if (!(await fileExists(file))) return { kind: 'absent' };
  const text = await readManifestFile(file);
  if (typeof text !== 'string')
    return (await fileExists(file)) ? { kind: 'broken', problems: [text] } : { kind: 'absent' };
  const { objects, problems } = parseManifests(text, file);
  const [object] = objects;
  if (problems.length > 0) return { kind: 'broken', problems };
  if (object === undefined || objects.length > 1) {
    const message = `expected one ${kind}, got ${objects.length} objects`;
    return { kind: 'broken', problems: [problem('ObjectMisplaced', message, `${file}:1`)] };
  }
  const found = [object.apiVersion, object.kind, object.namespace || namespace, object.name].join(' ');
  const expected = [ownApiVersions[kind], kind, namespace, name].join(' ');
  if (found !== expected) {
    const message = `expected ${expected} by the name of the file, got ${found}`;
    return { kind: 'broken', problems: [problem('ObjectMisplaced', message, object.where)] };
  }
  return {
    kind: 'read',
    where: object.where,
    ...objectFromBody(object.body, { namespace, name }, live === undefined ? undefined : await readLive(live)),
  };
}

/** Every file in the folder of a kind, and what is in it that no object can be read from. */
export async function findOwnObjects(
  root: string,
  kind: OwnKind,
  namespace?: string,
): Promise<{ readonly refs: readonly OwnRef[]; readonly problems: readonly Problem[] }> {
  const folder = join(root, ownFolders[kind]);
  const refs: OwnRef[] = [];
  const problems: Problem[] = [];
  const misplaced = (where: string) =>
    problems.push(problem('ObjectMisplaced', `expected ${ownFolders[kind]}/NAMESPACE/NAME.yaml`, where));
  for (const within of await namesIn(folder)) {
    if (namespace !== undefined && within !== namespace) continue;
    if (isManifest(within)) misplaced(join(folder, within));
    for (const file of await namesIn(join(folder, within))) {
      if (!isManifest(file)) continue;
      const name = file.endsWith('.yaml') ? file.slice(0, -'.yaml'.length) : '';
      if (isFileName(within) && isFileName(name)) refs.push(ownRef(root, kind, within, name));
      else misplaced(join(folder, within, file));
    }
  }
  return { refs, problems };
}

function isManifest(name: string): boolean {
  return /\.(?:ya?ml|json)$/.test(name);
}

/** Without hidden ones; ascending, so that everything that follows is the same at every reading. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith('.')).sort();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return [];
    throw error;
  }
}

export async function fileExists(file: string): Promise<boolean> {
  try {
    await stat(file);
    return true;
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}

/** Numbers that can be lost: a file that cannot be read is as good as none. */
async function readLive(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError || isErrno(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw error;
  }
}
