import type { Namespace } from '../../model/cluster.ts';
import type { Problem } from '../../model/problem.ts';
import type { LocatedObject } from './located-object.ts';
import { namespaceFields } from './object-schemas.ts';
import { readFields } from './read-fields.ts';

/** The API server writes it onto every namespace since Kubernetes 1.21. */
const nameLabel = 'kubernetes.io/metadata.name';

/**
 * The namespaces that are in the inventory and those that its objects mention. A manifest gets the label with its name,
 * as the server would write it; an object that a server wrote without it comes from one that is too old to do so.
 */
export function namespacesOf(
  objects: readonly LocatedObject[],
  mentioned: Iterable<string>,
  problems: Problem[],
): ReadonlyMap<string, Namespace> {
  const namespaces = new Map<string, Namespace>();
  let oldServer = false;
  for (const object of objects) {
    if (object.kind !== 'Namespace' || object.apiVersion !== 'v1') continue;
    const metadata = readFields(namespaceFields, object, problems)?.metadata;
    if (!metadata) continue;
    const { name } = object;
    const labels = metadata.labels ?? {};
    const served = typeof metadata.uid === 'string' || typeof metadata.creationTimestamp === 'number';
    if (served && !Object.hasOwn(labels, nameLabel)) oldServer = true;
    namespaces.set(name, { name, labels: served ? labels : { ...labels, [nameLabel]: name } });
  }
  for (const name of mentioned) {
    if (!namespaces.has(name)) namespaces.set(name, { name, labels: oldServer ? {} : { [nameLabel]: name } });
  }
  return new Map([...namespaces].sort(([a], [b]) => (a < b ? -1 : 1)));
}
