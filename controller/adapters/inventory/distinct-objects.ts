import { isDeepStrictEqual } from 'node:util';
import { type Problem, problem } from '../../model/problem.ts';
import { groupOf, isRecord, type LocatedObject, type ObjectReading } from './located-object.ts';

/**
 * One object for each identity. Of several the one that a server wrote (it has a status) wins, of two of those the newer
 * one; two manifests that say different things are a problem, and the first stands. Pods of one name and different uid
 * are different pods that lived one after the other: all of them stay.
 */
export function distinctObjects(objects: readonly LocatedObject[]): ObjectReading {
  const byIdentity = new Map<string, LocatedObject>();
  const problems: Problem[] = [];
  for (const object of objects) {
    const identity = identityOf(object);
    const known = byIdentity.get(identity);
    if (known === undefined) {
      byIdentity.set(identity, object);
      continue;
    }
    const order = versionOf(object) - versionOf(known);
    if (order > 0) byIdentity.set(identity, object);
    else if (order === 0 && !isServed(object) && !isDeepStrictEqual(object.body, known.body)) {
      const called = [object.namespace, object.name].filter(Boolean).join('/');
      const message = `${object.kind} ${called}: differs from the one at ${known.where}, which was taken`;
      problems.push(problem('ObjectConflict', message, object.where));
    }
  }
  return { objects: [...byIdentity.values()], problems };
}

function identityOf({ apiVersion, kind, namespace, name, body }: LocatedObject): string {
  const uid = kind === 'Pod' && isRecord(body['metadata']) ? body['metadata']['uid'] : undefined;
  return `${groupOf(apiVersion)}/${kind}/${namespace}/${name}/${typeof uid === 'string' ? uid : ''}`;
}

function isServed({ body }: LocatedObject): boolean {
  const { metadata, status } = body;
  return isRecord(status) || (isRecord(metadata) && metadata['resourceVersion'] !== undefined);
}

/** -1 for a manifest, else the server's resourceVersion (a growing number in practice), 0 when it is not in the dump. */
function versionOf(object: LocatedObject): number {
  if (!isServed(object)) return -1;
  const { metadata } = object.body;
  const version = isRecord(metadata) ? Number(metadata['resourceVersion'] ?? 0) : 0;
  return Number.isFinite(version) ? version : 0;
}
