import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { distinctObjects } from '../inventory/distinct-objects.ts';
import { isRecord, type LocatedObject } from '../inventory/located-object.ts';
import { isManaged } from './applied-policy.ts';
import { FileCache } from './file-cache.ts';
import { type ManifestFolders, namespaceIn } from './manifest-folders.ts';
import { findOwnObjects, type OwnReading, readOwnObject } from './own-objects.ts';
import { storedProfile } from './stored-profile.ts';
import { type OwnKind, ownFolders } from './workspace-paths.ts';

export interface SnapshotObject {
  readonly ref: ObjectRef;
  readonly object: KubernetesObject;
}

/** Everything in a workspace at one moment. */
export interface Snapshot {
  /** By kind, then by identity: the name, and of pods the uid too, because dumps hold several that lived one after the other. */
  readonly kinds: ReadonlyMap<string, ReadonlyMap<string, SnapshotObject>>;
  readonly problems: readonly Problem[];
  readonly brokenProfile: Problem | undefined;
  /** False while files were left at their last reading because they may still be in the making. */
  readonly settled: boolean;
}

/** Reads a workspace again and again, and of it only what changed. */
export class SnapshotReader {
  readonly #root: string;
  readonly #manifests: ManifestFolders;
  readonly #own = new FileCache<OwnReading>();

  constructor(root: string, manifests: ManifestFolders) {
    this.#root = root;
    this.#manifests = manifests;
  }

  async read(settleMs: number): Promise<Snapshot> {
    const kinds = new Map<string, Map<string, SnapshotObject>>();
    const put = (ref: ObjectRef, id: string, object: KubernetesObject) => {
      const known = kinds.get(ref.kind) ?? new Map<string, SnapshotObject>();
      kinds.set(ref.kind, known.set(id, { ref, object }));
    };
    const own = await this.#readOwn(settleMs);
    for (const { ref, reading } of own.readings) {
      if (reading.kind === 'read') put(ref, `${ref.namespace}/${ref.name}`, reading.object);
    }
    const policies = new Set(
      own.readings.flatMap(({ ref }) => (ref.kind === 'NetworkPolicy' ? [`${ref.namespace}/${ref.name}`] : [])),
    );
    const manifests = await this.#manifests.read(settleMs);
    const isHidden = (found: LocatedObject) =>
      found.kind === 'NetworkPolicy' && policies.has(`${namespaceIn(found)}/${found.name}`);
    const distinct = distinctObjects(manifests.objects.filter((found) => !isHidden(found)));
    for (const found of distinct.objects) put(found, identityOf(found), await this.#told(found));
    const hidden = manifests.objects.filter((found) => isHidden(found) && !isManaged(found.body));
    return {
      kinds,
      problems: [...own.problems, ...manifests.problems, ...distinct.problems, ...hidden.map(hiddenPolicy)],
      brokenProfile: manifests.brokenProfile,
      settled: own.settled && manifests.settled,
    };
  }

  async #readOwn(settleMs: number) {
    const readings: { readonly ref: ObjectRef; readonly reading: OwnReading }[] = [];
    const problems: Problem[] = [];
    const files = new Set<string>();
    let allSettled = true;
    for (const kind of Object.keys(ownFolders) as OwnKind[]) {
      const found = await findOwnObjects(this.#root, kind);
      problems.push(...found.problems);
      for (const ref of found.refs) {
        files.add(ref.files[0] ?? '');
        const isBroken = (reading: OwnReading) => reading.kind === 'broken';
        const { value, settled } = await this.#own.read(ref.files, () => readOwnObject(ref), settleMs, isBroken);
        allSettled &&= settled;
        if (value?.kind === 'broken') problems.push(...value.problems);
        if (value !== undefined && value.kind !== 'absent') readings.push({ ref, reading: value });
      }
    }
    this.#own.keepOnly(files);
    return { readings, problems, settled: allSettled };
  }

  async #told(found: LocatedObject): Promise<KubernetesObject> {
    if (found.kind === 'SegmentationProfile') return await storedProfile(this.#root, found);
    return found.body as unknown as KubernetesObject;
  }
}

function identityOf(found: LocatedObject): string {
  const metadata = found.body['metadata'];
  const uid = found.kind === 'Pod' && isRecord(metadata) ? metadata['uid'] : undefined;
  const place = found.kind === 'NetworkPolicy' ? namespaceIn(found) : found.namespace;
  return `${place}/${found.name}${typeof uid === 'string' ? `/${uid}` : ''}`;
}

function hiddenPolicy(found: LocatedObject): Problem {
  const file = `${ownFolders.NetworkPolicy}/${namespaceIn(found)}/${found.name}.yaml`;
  return problem('ObjectConflict', `NetworkPolicy ${found.name}: the one in ${file} was taken`, found.where);
}
