import type { Problem } from '../../model/problem.ts';

/** One Kubernetes object as it was found, with nothing checked but what every object has. */
export interface LocatedObject {
  readonly apiVersion: string;
  readonly kind: string;
  /** Empty for objects without one: what that means (`default`, or cluster scope) is for the kind to say. */
  readonly namespace: string;
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** `file:line` of the document, with the item's index where the document is a List. */
  readonly where: string;
  /** On an object that is read again and again: what was made of it, by what made it. */
  readonly memory?: Map<unknown, unknown>;
}

/** What `make` made of the object before, where the object has a memory. */
export function remembered<Value>({ memory }: LocatedObject, maker: unknown, make: () => Value): Value {
  if (memory === undefined) return make();
  if (memory.has(maker)) return memory.get(maker) as Value;
  const made = make();
  memory.set(maker, made);
  return made;
}

/** Objects of one text or directory, with everything that is no object. */
export interface ObjectReading {
  readonly objects: readonly LocatedObject[];
  readonly problems: readonly Problem[];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The group of an apiVersion: `apps` of `apps/v1`, empty for the core's `v1`. */
export function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf('/');
  return slash < 0 ? '' : apiVersion.slice(0, slash);
}
