import { stat } from 'node:fs/promises';
import { isDeepStrictEqual } from 'node:util';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import type { Labels } from '../../model/label-selector.ts';
import { resourceApiVersion } from '../../model/policy-proposal.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { keepFields } from '../inventory/keep-fields.ts';
import { isRecord, type LocatedObject, type ObjectReading } from '../inventory/located-object.ts';
import { type Annotated, readAnnotationFiles } from './annotation-files.ts';
import { FileCache } from './file-cache.ts';
import { findManifestFiles, readManifestFile } from './manifest-files.ts';
import { isErrno } from './errno.ts';
import { parseManifests } from './parse-manifests.ts';
import { type WorkspacePaths, workspacePaths } from './workspace-paths.ts';

export interface FolderReading extends ObjectReading {
  /** False while a file is left at its last reading because it may still be in the making. */
  readonly settled: boolean;
  /** A profile may be among what cannot be read, so that what holds for a namespace is not known. */
  readonly brokenProfile: Problem | undefined;
}

interface FileReading extends ObjectReading {
  readonly brokenProfile: boolean;
}

/**
 * The folders of a workspace that people fill and nanoseg only reads: manifests and dumps of the cluster, and profiles,
 * with the annotations that were set on them from outside. A file is read again when it changed.
 */
export class ManifestFolders {
  readonly #paths: WorkspacePaths;
  readonly #cache = new FileCache<FileReading>();

  constructor(root: string) {
    this.#paths = workspacePaths(root);
  }

  /** Files that changed less than `settleMs` ago stay at their last reading. */
  async read(settleMs = 0): Promise<FolderReading> {
    const { cluster, profiles, annotations } = this.#paths;
    const folders = (await isFolder(profiles)) ? [cluster, profiles] : [cluster];
    const { files, problems: missing } = await findManifestFiles(folders);
    const objects: LocatedObject[] = [];
    const problems: Problem[] = [...missing];
    const inProfiles = (path: string) => path.startsWith(profiles);
    let brokenProfile = missing.find(({ where }) => inProfiles(where));
    let allSettled = true;
    for (const file of files) {
      const { value, settled } = await this.#cache.read([file], () => readFile(file), settleMs);
      allSettled &&= settled;
      for (const object of value?.objects ?? []) objects.push(object);
      for (const found of value?.problems ?? []) problems.push(found);
      if (value?.brokenProfile || inProfiles(file)) brokenProfile ??= value?.problems[0];
    }
    this.#cache.keepOnly(new Set(files));
    brokenProfile ??= profileConflict(objects);
    if (!(await isFolder(annotations))) return { objects, problems, settled: allSettled, brokenProfile };
    const reading = await readAnnotationFiles(annotations);
    return {
      objects: annotated(objects, reading.annotated),
      problems: [...problems, ...reading.problems],
      settled: allSettled,
      brokenProfile,
    };
  }
}

const profileKind = /\bkind["']?\s*:\s*["']?SegmentationProfile\b/g;

async function readFile(file: string): Promise<FileReading> {
  const text = await readManifestFile(file);
  if (typeof text !== 'string') return { objects: [], problems: [text], brokenProfile: false };
  const { objects, problems } = parseManifests(text, file);
  const profiles = objects.filter(({ kind }) => kind === 'SegmentationProfile').length;
  return {
    brokenProfile: problems.length > 0 && [...text.matchAll(profileKind)].length > profiles,
    objects: objects.flatMap((object) => {
      if (object.kind === 'PolicyProposal' || object.kind === 'PolicyApproval') return [];
      return [
        { ...object, body: keepFields(object.body as unknown as KubernetesObject) as unknown as LocatedObject['body'] },
      ];
    }),
    problems: [
      ...problems,
      ...objects.flatMap(({ kind, where }) => {
        const folder = kind === 'PolicyProposal' ? 'proposals' : kind === 'PolicyApproval' ? 'approvals' : undefined;
        if (folder === undefined) return [];
        return [problem('ObjectMisplaced', `a ${kind} counts only in ${folder}/NAMESPACE/NAME.yaml`, where)];
      }),
    ],
  };
}

/** Which of two profiles counts decides what is allowed: nobody but a person may choose. */
function profileConflict(objects: readonly LocatedObject[]): Problem | undefined {
  const known = new Map<string, LocatedObject>();
  for (const object of objects) {
    if (object.kind !== 'SegmentationProfile') continue;
    const other = known.get(keyOf(object));
    if (other !== undefined && !isDeepStrictEqual(object.body, other.body)) {
      const name = `${namespaceIn(object)}/${object.name}`;
      const message = `SegmentationProfile ${name} differs from the one at ${other.where}: neither counts`;
      return problem('ObjectConflict', message, object.where);
    }
    known.set(keyOf(object), object);
  }
  return undefined;
}

function annotated(objects: readonly LocatedObject[], settings: readonly Annotated[]): LocatedObject[] {
  const waiting = new Map(settings.map((setting) => [keyOf(setting), setting]));
  const all = objects.map((object) => {
    const setting = waiting.get(keyOf(object));
    if (setting === undefined) return object;
    waiting.delete(keyOf(object));
    return { ...object, body: withAnnotations(object.body, setting.annotations) };
  });
  // a namespace needs no manifest, and a switch must work without the object that it stands on
  for (const { kind, namespace, name, annotations, where } of waiting.values()) {
    const apiVersion = kind === 'Namespace' ? 'v1' : resourceApiVersion;
    const body = { apiVersion, kind, metadata: { name, ...(namespace !== '' && { namespace }), annotations } };
    all.push({ apiVersion, kind, namespace, name, body, where });
  }
  return all;
}

function withAnnotations(body: LocatedObject['body'], added: Labels): LocatedObject['body'] {
  const metadata = isRecord(body['metadata']) ? body['metadata'] : {};
  const own = isRecord(metadata['annotations']) ? metadata['annotations'] : {};
  return { ...body, metadata: { ...metadata, annotations: { ...own, ...added } } };
}

function keyOf(object: ObjectRef): string {
  return `${object.kind}/${namespaceIn(object)}/${object.name}`;
}

/** A manifest may leave its namespace out; of kinds that are in none only `Namespace` is ever asked for by name. */
export function namespaceIn({ kind, namespace }: ObjectRef): string {
  return kind === 'Namespace' ? '' : namespace || 'default';
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    if (isErrno(error, 'ENOENT', 'ENOTDIR')) return false;
    throw error;
  }
}
