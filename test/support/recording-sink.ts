import { setTimeout as delay } from 'node:timers/promises';
import type { KubernetesObject, ObjectRef } from '../../controller/model/kubernetes-object.ts';
import type { Problem } from '../../controller/model/problem.ts';
import type { ObjectSink } from '../../controller/ports.ts';

/** What a feed told, as it is now. */
export class RecordingSink implements ObjectSink {
  readonly objects = new Map<string, Map<string, KubernetesObject>>();
  readonly problems = new Map<string, Problem>();
  /** One word for each call, in their order. */
  readonly calls: string[] = [];
  isSynced = false;

  replace(kind: string, objects: readonly KubernetesObject[]): void {
    this.calls.push(`replace ${kind}`);
    this.problems.delete(kind);
    this.objects.set(kind, new Map(objects.map((object) => [keyOf(object.metadata), object])));
  }

  upsert(object: KubernetesObject): void {
    this.calls.push(`upsert ${object.kind} ${object.metadata.name}`);
    this.objects.get(object.kind)?.set(keyOf(object.metadata), object);
  }

  remove({ kind, namespace, name }: ObjectRef): void {
    this.calls.push(`remove ${kind} ${name}`);
    this.objects.get(kind)?.delete(keyOf({ namespace, name }));
  }

  unreadable(kind: string, problem: Problem): void {
    this.calls.push(`unreadable ${kind}`);
    this.problems.set(kind, problem);
  }

  synced(): void {
    this.calls.push('synced');
    this.isSynced = true;
  }

  /** `namespace/name` of all objects of that kind, sorted. */
  names(kind: string): string[] {
    return [...(this.objects.get(kind)?.keys() ?? [])].sort();
  }
}

function keyOf({ namespace = '', name }: { readonly namespace?: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

/** Resolves when it holds; throws after so long. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string,
  limitMs = 20_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await delay(20);
  }
}
