import { isDeepStrictEqual } from 'node:util';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import type { Clock } from '../../ports.ts';
import { namespaceOf } from './cluster-from-objects.ts';
import type { LocatedObject } from './located-object.ts';
import type { GonePod } from './pods.ts';

/** More pods than this that are gone are forgotten, the first ones first. */
const mostGone = 20_000;

/** What an object was and is; `content` is false where only its version changed. */
export interface ObjectChange {
  readonly before: LocatedObject | undefined;
  readonly after: LocatedObject | undefined;
  readonly content: boolean;
}

/** The objects that a cluster is made of, as they are, with the pods that are gone. */
export class LiveObjects {
  readonly #clock: Clock;
  readonly #goneForMs: number;
  /** By kind, then namespace and name; pods by their uid too, as dumps of several times hold several of one name. */
  readonly #objects = new Map<string, Map<string, LocatedObject>>();
  readonly #podsOfName = new Map<string, Set<string>>();
  readonly #gone: GonePod[] = [];

  constructor(clock: Clock, goneForMs: number) {
    this.#clock = clock;
    this.#goneForMs = goneForMs;
  }

  all(): LocatedObject[] {
    return [...this.#objects.values()].flatMap((ofKind) => [...ofKind.values()]);
  }

  ofKind(kind: string): Iterable<LocatedObject> {
    return this.#objects.get(kind)?.values() ?? [];
  }

  get(kind: string, namespace: string, name: string): LocatedObject | undefined {
    return this.#objects.get(kind)?.get(`${namespace}/${name}`);
  }

  /** Pods that are gone for no longer than they are to be remembered. */
  gone(): readonly GonePod[] {
    const since = this.#clock.now() - this.#goneForMs;
    const first = this.#gone.findIndex(({ goneMs }) => goneMs >= since);
    const expired = first < 0 ? this.#gone.length : first;
    this.#gone.splice(0, Math.max(expired, this.#gone.length - mostGone));
    return this.#gone;
  }

  /** All objects of the kind as they are now, each with nothing but the fields that are kept. */
  replace(kind: string, objects: readonly KubernetesObject[]): ObjectChange[] {
    const present = new Set(objects.map(keyOf));
    const gone = [...(this.#objects.get(kind) ?? [])].filter(([key]) => !present.has(key));
    return [...gone.map(([key, object]) => this.#delete(key, object)), ...objects.flatMap((one) => this.#set(one))];
  }

  /** The object as it is now; a pod ends those that had its name before. */
  upsert(object: KubernetesObject): ObjectChange[] {
    return [...this.#endNamesakes(object), ...this.#set(object)];
  }

  /** Every object of that name. */
  remove(kind: string, namespace: string, name: string): ObjectChange[] {
    const place = `${namespace}/${name}`;
    const keys = kind === 'Pod' ? [...(this.#podsOfName.get(place) ?? [])] : [place];
    return keys.flatMap((key) => {
      const object = this.#objects.get(kind)?.get(key);
      return object === undefined ? [] : [this.#delete(key, object)];
    });
  }

  #set(object: KubernetesObject): ObjectChange[] {
    const { apiVersion, kind, metadata } = object;
    const key = keyOf(object);
    const objects = this.#objects.get(kind) ?? new Map<string, LocatedObject>();
    this.#objects.set(kind, objects);
    const before = objects.get(key);
    const body = object as unknown as LocatedObject['body'];
    const known = before?.body as unknown as KubernetesObject | undefined;
    const content = known === undefined || !isDeepStrictEqual(contentOf(known), contentOf(object));
    if (before !== undefined && !content) {
      // what was read of it stays true
      const after = { ...before, body };
      objects.set(key, after);
      return [{ before, after, content }];
    }
    const namespace = namespaceOf(kind, metadata.namespace ?? '');
    const { name } = metadata;
    const where = [namespace, kind, name].filter(Boolean).join('/');
    const after = { apiVersion, kind, namespace, name, body, where, memory: new Map() };
    objects.set(key, after);
    if (kind === 'Pod') {
      const place = `${namespace}/${name}`;
      this.#podsOfName.set(place, (this.#podsOfName.get(place) ?? new Set()).add(key));
    }
    return [{ before, after, content }];
  }

  #endNamesakes(object: KubernetesObject): ObjectChange[] {
    if (object.kind !== 'Pod') return [];
    const own = keyOf(object);
    const { namespace, name, creationTimestamp } = object.metadata;
    const keys = this.#podsOfName.get(`${namespaceOf('Pod', namespace ?? '')}/${name}`) ?? [];
    return [...keys].flatMap((key) => {
      const other = this.#objects.get('Pod')?.get(key);
      return key === own || other === undefined ? [] : [this.#delete(key, other, Date.parse(creationTimestamp ?? ''))];
    });
  }

  /** `successorMs`: since when another pod has its name; NaN: none has. */
  #delete(key: string, before: LocatedObject, successorMs = Number.NaN): ObjectChange {
    this.#objects.get(before.kind)?.delete(key);
    if (before.kind === 'Pod') {
      const place = `${before.namespace}/${before.name}`;
      const others = this.#podsOfName.get(place);
      others?.delete(key);
      if (others?.size === 0) this.#podsOfName.delete(place);
      const now = this.#clock.now();
      this.#gone.push({ object: before, goneMs: Number.isNaN(successorMs) ? now : Math.min(now, successorMs) });
      this.gone();
    }
    return { before, after: undefined, content: true };
  }
}

function keyOf({ kind, metadata }: KubernetesObject): string {
  const place = `${namespaceOf(kind, metadata.namespace ?? '')}/${metadata.name}`;
  return kind === 'Pod' ? `${place}/${metadata.uid ?? ''}` : place;
}

/** All but what every write changes. */
function contentOf({ metadata, ...rest }: KubernetesObject): unknown {
  const { resourceVersion: _version, generation: _generation, ...kept } = metadata;
  return { ...rest, metadata: kept };
}
