import { basename, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import { type Problem, problem } from '../../model/problem.ts';
import type { Clock, ObjectFeed, ObjectSink } from '../../ports.ts';
import { FolderWatch } from './folder-watch.ts';
import { ManifestFolders } from './manifest-folders.ts';
import { type Snapshot, type SnapshotObject, SnapshotReader } from './workspace-snapshot.ts';
import { ownFolders, workspacePaths } from './workspace-paths.ts';

export interface DirectoryFeedOptions {
  readonly root: string;
  readonly clock: Clock;
  /** Share it with a store on the same directory, so that nothing is kept twice. */
  readonly manifests?: ManifestFolders;
  /** Looks at everything so often, for systems that lose or do not send events. @default 5000 */
  readonly rescanMs?: number;
  /** Waits so long after an event for those that belong to it. @default 50 */
  readonly gatherMs?: number;
  /** A manifest that changed less than this ago may still be in the making. @default 250 */
  readonly settleMs?: number;
}

/** What of .nanoseg belongs to objects. */
const liveFolders = ['live', 'profile-status'];
const profileKind = 'SegmentationProfile';
/** Kinds that are told even where there is no object of them. */
const alwaysTold = [profileKind, ...Object.keys(ownFolders)];

/**
 * A workspace directory as an ObjectFeed: the manifests of cluster/ with the policies, proposals, approvals and profiles.
 * Only real changes are told. What cannot be read is told as `unreadable` by its place, and is gone until it can.
 */
export class DirectoryFeed implements ObjectFeed {
  readonly name: string;
  readonly #clock: Clock;
  readonly #reader: SnapshotReader;
  readonly #volatile: string;
  readonly #folders: readonly string[];
  readonly #rescanMs: number;
  readonly #gatherMs: number;
  readonly #settleMs: number;

  constructor(options: DirectoryFeedOptions) {
    const { root, clock, manifests = new ManifestFolders(root) } = options;
    const { cluster, profiles, annotations, volatile } = workspacePaths(root);
    const own = Object.keys(ownFolders).map((kind) => `${root}/${ownFolders[kind as keyof typeof ownFolders]}`);
    this.name = root;
    this.#clock = clock;
    this.#reader = new SnapshotReader(root, manifests);
    this.#volatile = volatile;
    this.#folders = [cluster, profiles, annotations, ...own, ...liveFolders.map((name) => join(volatile, name))];
    this.#rescanMs = options.rescanMs ?? 5_000;
    this.#gatherMs = options.gatherMs ?? 50;
    this.#settleMs = options.settleMs ?? 250;
  }

  async run(sink: ObjectSink, signal: AbortSignal): Promise<void> {
    let wake = new AbortController();
    using watch = new FolderWatch(() => wake.abort());
    let told: Snapshot | undefined;
    while (!signal.aborted) {
      wake = new AbortController();
      watch.watchNames(this.name, new Set([...this.#folders, this.#volatile].map((folder) => basename(folder))));
      watch.watchNames(this.#volatile, new Set(liveFolders));
      watch.watch(this.#folders);
      const next = await this.#read(told);
      tell(sink, told, next);
      told = next;
      try {
        await this.#clock.sleep(next.settled ? this.#rescanMs : this.#settleMs, AbortSignal.any([signal, wake.signal]));
      } catch (error) {
        if (!signal.aborted && !wake.signal.aborted) throw error;
      }
      if (wake.signal.aborted && !signal.aborted) await this.#gather(signal);
    }
  }

  /** What is there at the start is taken as it is; later a file may be caught in the middle of being written. */
  async #read(told: Snapshot | undefined): Promise<Snapshot> {
    try {
      return await this.#reader.read(told === undefined ? 0 : this.#settleMs);
    } catch (error) {
      if (!(error instanceof Error) || !('syscall' in error)) throw error;
      const failed = problem('InputNotFound', `the workspace cannot be read: ${error.message}`, this.name);
      // who may decide and what is stopped is not known
      return { kinds: told?.kinds ?? new Map(), problems: [failed], brokenProfile: failed, settled: true };
    }
  }

  async #gather(signal: AbortSignal): Promise<void> {
    try {
      await this.#clock.sleep(this.#gatherMs, signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

function tell(sink: ObjectSink, before: Snapshot | undefined, now: Snapshot): void {
  const kinds = new Set([...alwaysTold, ...(before?.kinds.keys() ?? []), ...now.kinds.keys()]);
  for (const kind of kinds) {
    const objects = now.kinds.get(kind) ?? noObjects;
    const known =
      before?.kinds.get(kind) ?? (before !== undefined && alwaysTold.includes(kind) ? noObjects : undefined);
    const repaired = kind === profileKind && before?.brokenProfile !== undefined && now.brokenProfile === undefined;
    if (known === undefined || repaired) sink.replace(kind, bodies(objects));
    else tellKind(sink, kind, known, objects);
  }
  const { brokenProfile } = now;
  if (brokenProfile !== undefined && brokenProfile.message !== before?.brokenProfile?.message) {
    sink.unreadable(profileKind, brokenProfile);
  }
  tellProblems(sink, before?.problems ?? [], now.problems);
  if (before === undefined) sink.synced();
}

type Objects = ReadonlyMap<string, SnapshotObject>;
const noObjects: Objects = new Map();

function tellKind(sink: ObjectSink, kind: string, before: Objects, now: Objects): void {
  const changed = [...now].filter(([id, { object }]) => !isSame(before.get(id)?.object, object));
  const gone = [...before].filter(([id]) => !now.has(id));
  if (changed.length + gone.length === 0) return;
  if (kind === 'Pod' && (sharesNames(before) || sharesNames(now))) {
    sink.replace(kind, bodies(now));
    return;
  }
  for (const [, { ref }] of gone) sink.remove({ kind, namespace: ref.namespace, name: ref.name });
  for (const [, { object }] of changed) sink.upsert(object);
}

/** Whether several pods have one name, so that a name alone does not say which of them is gone. */
function sharesNames(objects: Objects): boolean {
  return new Set([...objects.values()].map(({ ref }) => `${ref.namespace}/${ref.name}`)).size < objects.size;
}

/** A file that did not change gives the very same object again. */
function isSame(before: KubernetesObject | undefined, now: KubernetesObject): boolean {
  return before === now || isDeepStrictEqual(before, now);
}

function bodies(objects: Objects): KubernetesObject[] {
  return [...objects.values()].map(({ object }) => object);
}

/** Each under its own place, as if that were a kind. */
function tellProblems(sink: ObjectSink, before: readonly Problem[], now: readonly Problem[]): void {
  const placeOf = ({ where, message }: Problem) => `${where}: ${message}`;
  const [old, open] = [before, now].map((problems) => new Map(problems.map((each) => [placeOf(each), each])));
  for (const place of old?.keys() ?? []) if (!open?.has(place)) sink.replace(place, []);
  for (const [place, each] of open ?? []) if (!old?.has(place)) sink.unreadable(place, each);
}
