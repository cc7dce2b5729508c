import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject, ObjectRef } from '../../model/kubernetes-object.ts';
import type { Labels } from '../../model/label-selector.ts';
import type { NetworkPolicy } from '../../model/network-policy.ts';
import type { Problem } from '../../model/problem.ts';
import type { Clock, ObjectStore } from '../../ports.ts';
import { isRecord, type LocatedObject } from '../inventory/located-object.ts';
import { appliedPolicy } from './applied-policy.ts';
import { readAnnotationFile, writeAnnotationFile } from './annotation-files.ts';
import { removeDurably, writeDurably, writeVolatile } from './durable-file.ts';
import { readYamlDocument } from './kubernetes-yaml.ts';
import { ManifestFolders, namespaceIn } from './manifest-folders.ts';
import { fileExists, findOwnObjects, type OwnReading, type OwnRef, ownRef, readOwnObject } from './own-objects.ts';
import { alreadyThere, brokenFile, invalid, missing, readOnly, refuseFaults, refuseStale } from './store-refusals.ts';
import {
  liveOf,
  objectFromBody,
  plainData,
  type ReadObject,
  type StoredObject,
  specOf,
  textOfObject,
} from './stored-object.ts';
import { storedProfile, textOfProfileStatus } from './stored-profile.ts';
import { WorkspaceLock } from './workspace-lock.ts';
import { isOwnKind, profileFile, profileStatusFile } from './workspace-paths.ts';

export interface DirectoryStoreOptions {
  /** The workspace directory. */
  readonly root: string;
  readonly clock: Clock;
  /** Told of every file that a list had to leave out. */
  readonly report: (problem: Problem) => void;
  /** Share it with a feed on the same directory, so that nothing is kept twice. */
  readonly manifests?: ManifestFolders;
}

/**
 * A workspace directory as an ObjectStore, with the API server's rules: uid, resourceVersion (a hash of the content),
 * generation, spec and status apart. Any number of processes may use one at the same time. An edit by hand counts as a
 * change like any other; a file that cannot be read is never written over.
 */
export class DirectoryStore implements ObjectStore {
  readonly name: string;
  readonly #root: string;
  readonly #clock: Clock;
  readonly #report: (problem: Problem) => void;
  readonly #manifests: ManifestFolders;
  readonly #lock: WorkspaceLock;
  readonly #told = new Set<string>();

  constructor({ root, clock, report, manifests = new ManifestFolders(root) }: DirectoryStoreOptions) {
    this.name = root;
    this.#root = root;
    this.#clock = clock;
    this.#report = report;
    this.#manifests = manifests;
    this.#lock = new WorkspaceLock(root, clock);
  }

  async get<Type extends KubernetesObject>(ref: ObjectRef): Promise<Type | undefined> {
    const { kind, namespace, name } = ref;
    if (isOwnKind(kind)) {
      const reading = await readOwnObject(ownRef(this.#root, kind, namespace, name));
      if (reading.kind === 'read') return typed<Type>(reading.object);
      if (reading.kind === 'broken') throw brokenFile(reading.problems);
    }
    const found = await this.#inManifests(ref);
    if (kind === 'SegmentationProfile') {
      const { brokenProfile } = await this.#manifests.read();
      if (brokenProfile !== undefined) throw brokenFile([brokenProfile]);
    }
    return found && typed<Type>(await this.#asStored(found));
  }

  async list<Type extends KubernetesObject>(kind: string, namespace?: string): Promise<readonly Type[]> {
    const objects = new Map<string, StoredObject>();
    if (isOwnKind(kind)) {
      const { refs, problems } = await findOwnObjects(this.#root, kind, namespace);
      this.#tell(problems);
      for (const ref of refs) {
        const reading = await readOwnObject(ref);
        if (reading.kind === 'read') objects.set(`${ref.namespace}/${ref.name}`, reading.object);
        if (reading.kind === 'broken') this.#tell(reading.problems);
      }
    }
    const manifests = await this.#manifests.read();
    this.#tell(manifests.problems);
    const others: StoredObject[] = [];
    for (const found of manifests.objects) {
      if (found.kind !== kind || (namespace !== undefined && namespaceIn(found) !== namespace)) continue;
      if (!objects.has(`${namespaceIn(found)}/${found.name}`)) others.push(await this.#asStored(found));
    }
    return [...objects.values(), ...others].map((object) => typed<Type>(object));
  }

  create<Type extends KubernetesObject>(object: Type): Promise<Type> {
    return this.#lock.hold(async () => {
      const wanted = plainData(object) as StoredObject;
      const { kind, metadata } = wanted;
      const { namespace = '', name, resourceVersion, labels, annotations } = metadata;
      if (resourceVersion !== undefined) throw invalid('metadata.resourceVersion: a new object has none');
      const found = await this.#inManifests({ kind, namespace, name });
      if (found !== undefined) throw alreadyThere({ kind, namespace, name }, found.where);
      const { status: _, ...given } = wanted;
      const fields: StoredObject = {
        ...given,
        metadata: {
          name,
          namespace,
          ...this.#newIdentity(),
          generation: 1,
          ...(labels && { labels }),
          ...(annotations && { annotations }),
        },
      };
      if (kind === 'SegmentationProfile') return typed<Type>(await this.#createProfile(fields));
      const ref = this.#ownRef({ kind, namespace, name });
      refuseFaults(fields, ref);
      const reading = await readOwnObject(ref);
      if (reading.kind === 'broken') throw brokenFile(reading.problems);
      if (reading.kind === 'read') throw alreadyThere(ref, reading.where);
      return typed<Type>(await this.#put(ref, undefined, fields));
    });
  }

  update<Type extends KubernetesObject>(object: Type): Promise<Type> {
    return this.#change(object, (stored, wanted) => {
      const { labels, annotations } = wanted.metadata;
      const { labels: _, annotations: __, ...metadata } = stored.metadata;
      const spec = isDeepStrictEqual(specOf(stored), specOf(wanted)) ? undefined : specOf(wanted);
      if (spec && stored.kind === 'PolicyApproval') {
        throw new ClusterError('Forbidden', 'a PolicyApproval cannot be changed; make another one', { status: 403 });
      }
      return {
        apiVersion: stored.apiVersion,
        kind: stored.kind,
        metadata: {
          ...metadata,
          ...(spec && { generation: (metadata.generation ?? 1) + 1 }),
          ...(labels && { labels }),
          ...(annotations && { annotations }),
        },
        ...(spec ?? specOf(stored)),
        ...('status' in stored && { status: stored['status'] }),
      };
    });
  }

  async updateStatus<Type extends KubernetesObject>(object: Type): Promise<Type> {
    if (object.kind === 'NetworkPolicy') throw invalid('a NetworkPolicy has no status');
    if (object.kind === 'SegmentationProfile') return await this.#updateProfileStatus(object);
    return await this.#change(object, (stored, wanted) => {
      const { status: _, ...rest } = stored;
      return { ...(rest as StoredObject), ...('status' in wanted && { status: wanted['status'] }) };
    });
  }

  annotate(ref: ObjectRef, annotations: Readonly<Record<string, string | null>>): Promise<void> {
    return this.#lock.hold(async () => {
      if (ref.kind === 'Namespace' || ref.kind === 'SegmentationProfile') {
        await this.#annotateBeside(ref, annotations);
        return;
      }
      const own = this.#ownRef(ref);
      const { object, origin } = existing(await readOwnObject(own), ref);
      const merged = mergedLabels(object.metadata.annotations, annotations);
      await this.#put(own, object, { ...object, metadata: { ...object.metadata, annotations: merged } }, origin);
    });
  }

  applyPolicy(
    policy: NetworkPolicy,
    { dryRun, force = false }: { readonly dryRun: boolean; readonly force?: boolean },
  ): Promise<NetworkPolicy> {
    return this.#lock.hold(async () => {
      const wanted = plainData(policy) as StoredObject & NetworkPolicy;
      const ref = this.#ownRef({ ...wanted.metadata, kind: 'NetworkPolicy' });
      refuseFaults(wanted, ref);
      const reading = await readOwnObject(ref);
      if (reading.kind === 'broken') throw brokenFile(reading.problems);
      const there = reading.kind === 'read' ? reading : undefined;
      const { namespace, name } = ref;
      const place = { namespace, name, there, foreign: await this.#inManifests(ref) };
      const applied = appliedPolicy(wanted, place, force, this.#newIdentity());
      const answer = dryRun ? asRead(applied) : await this.#put(ref, there?.object, applied, there?.origin);
      return answer as unknown as NetworkPolicy;
    });
  }

  remove(ref: ObjectRef, uid?: string): Promise<void> {
    return this.#lock.hold(async () => {
      const found = await this.#inManifests(ref);
      if (!isOwnKind(ref.kind)) {
        if (found !== undefined) throw readOnly(ref, found.where);
        return;
      }
      const own = this.#ownRef(ref);
      const reading = await readOwnObject(own);
      if (reading.kind === 'broken') throw brokenFile(reading.problems);
      if (reading.kind === 'absent') {
        if (found !== undefined) throw readOnly(ref, found.where);
        return;
      }
      // another object with that name is none of our business
      if (uid !== undefined && reading.object.metadata.uid !== uid) return;
      for (const file of own.files) await removeDurably(file);
    });
  }

  #newIdentity(): { readonly uid: string; readonly creationTimestamp: string } {
    return { uid: randomUUID(), creationTimestamp: new Date(this.#clock.now()).toISOString() };
  }

  /** Each once, however often a list comes upon it. */
  #tell(problems: readonly Problem[]): void {
    for (const problem of problems) {
      const key = `${problem.where} ${problem.message}`;
      if (this.#told.has(key)) continue;
      this.#told.add(key);
      this.#report(problem);
    }
  }

  /** Reads, compares and writes as one step; an object that stays as it is is not written. */
  #change<Type extends KubernetesObject>(
    object: Type,
    change: (stored: StoredObject, wanted: StoredObject) => StoredObject,
  ): Promise<Type> {
    return this.#lock.hold(async () => {
      const wanted = plainData(object) as StoredObject;
      const { namespace = '', name } = wanted.metadata;
      const place = { kind: wanted.kind, namespace, name };
      if (!isOwnKind(wanted.kind)) {
        const found = await this.#inManifests(place);
        throw found === undefined ? missing(place) : readOnly(place, found.where);
      }
      const ref = this.#ownRef(place);
      const { object: stored, origin } = existing(await readOwnObject(ref), ref);
      refuseStale(wanted.metadata, stored.metadata, ref);
      const changed = change(stored, wanted);
      refuseFaults(changed, ref);
      return typed<Type>(await this.#put(ref, stored, changed, origin));
    });
  }

  /** An object that was edited is written even where nothing else changes: so that the next edit counts too. */
  async #put(
    ref: OwnRef,
    before: StoredObject | undefined,
    after: StoredObject,
    origin?: ReadObject['origin'],
  ): Promise<StoredObject> {
    const [file = '', live] = ref.files;
    const text = textOfObject(after);
    if (before === undefined || origin === 'edited' || textOfObject(before) !== text) await writeDurably(file, text);
    if (live !== undefined) {
      const wanted = liveOf(after);
      if (wanted === undefined) await removeDurably(live);
      else if (!before || !isDeepStrictEqual(liveOf(before), wanted)) await writeVolatile(live, JSON.stringify(wanted));
    }
    return existing(await readOwnObject(ref), ref).object;
  }

  async #createProfile(profile: StoredObject): Promise<StoredObject> {
    const { namespace = '', name } = profile.metadata;
    const file = profileFile(this.#root, namespace, name);
    if (await fileExists(file)) throw invalid(`${file}: it is there and no SegmentationProfile; take it away`);
    await writeDurably(file, textOfObject(profile));
    const found = await this.#inManifests({ kind: profile.kind, namespace, name });
    if (found === undefined) throw new Error(`${file}: the profile is not there after it was written`);
    return await this.#asStored(found);
  }

  #ownRef({ kind, namespace, name }: ObjectRef): OwnRef {
    if (!isOwnKind(kind)) throw invalid(`a workspace keeps no ${kind}`);
    return ownRef(this.#root, kind, namespace, name);
  }

  /** The first of that name in the folders that nanoseg only reads. */
  async #inManifests({ kind, namespace, name }: ObjectRef): Promise<LocatedObject | undefined> {
    const { objects } = await this.#manifests.read();
    const wanted = namespaceIn({ kind, namespace, name });
    return objects.find((object) => object.kind === kind && object.name === name && namespaceIn(object) === wanted);
  }

  async #asStored(found: LocatedObject): Promise<StoredObject> {
    return found.kind === 'SegmentationProfile'
      ? await storedProfile(this.#root, found)
      : (found.body as unknown as StoredObject);
  }

  #updateProfileStatus<Type extends KubernetesObject>(object: Type): Promise<Type> {
    return this.#lock.hold(async () => {
      const { namespace = '', name } = object.metadata;
      const ref = { kind: object.kind, namespace, name };
      const found = await this.#inManifests(ref);
      if (found === undefined) throw missing(ref);
      const stored = await this.#asStored(found);
      refuseStale(object.metadata, stored.metadata, ref);
      const status: unknown = (object as { readonly status?: unknown }).status ?? {};
      if (!isDeepStrictEqual(stored['status'], status)) {
        await writeVolatile(profileStatusFile(this.#root, namespace, name), textOfProfileStatus(stored, status));
      }
      return typed<Type>(await this.#asStored(found));
    });
  }

  async #annotateBeside(ref: ObjectRef, changes: Readonly<Record<string, string | null>>): Promise<void> {
    const { objects, brokenProfile } = await this.#manifests.read();
    const found = objects.some(
      (object) =>
        (object.kind === ref.kind && object.name === ref.name && namespaceIn(object) === namespaceIn(ref)) ||
        (ref.kind === 'Namespace' && object.kind !== 'Namespace' && namespaceIn(object) === ref.name),
    );
    // the switch that stops all writes works just when the profile cannot be read
    const perhaps = ref.kind === 'SegmentationProfile' && brokenProfile !== undefined;
    if (!found && !perhaps) throw missing(ref);
    const place = { ...ref, namespace: namespaceIn(ref) };
    await writeAnnotationFile(this.#root, place, mergedLabels(await readAnnotationFile(this.#root, place), changes));
  }
}

function typed<Type extends KubernetesObject>(object: StoredObject): Type {
  return object as KubernetesObject as Type;
}

function existing(reading: OwnReading, ref: ObjectRef): ReadObject {
  switch (reading.kind) {
    case 'read':
      return reading;
    case 'broken':
      throw brokenFile(reading.problems);
    case 'absent':
      throw missing(ref);
  }
}

function mergedLabels(labels: Labels | undefined, changes: Readonly<Record<string, string | null>>): Labels {
  const merged: Record<string, string> = { ...labels };
  for (const [key, value] of Object.entries(changes)) {
    if (value === null) delete merged[key];
    else merged[key] = value;
  }
  return merged;
}

/** As if it had been written and read again. */
function asRead(object: StoredObject): StoredObject {
  const reading = readYamlDocument(textOfObject(object));
  if (reading.kind === 'broken' || !isRecord(reading.value))
    throw new Error(`${object.metadata.name} cannot be read back`);
  const { namespace = '', name } = object.metadata;
  return objectFromBody(reading.value, { namespace, name }).object;
}
