import { createHash } from 'node:crypto';
import { ClusterError } from '../../model/cluster-error.ts';
import type { KubernetesObject, ObjectMeta } from '../../model/kubernetes-object.ts';
import type { Labels } from '../../model/label-selector.ts';
import { renderYaml } from '../../policy/render-yaml.ts';
import { isRecord } from '../inventory/located-object.ts';

/** Any object, with the fields that its kind gives it. */
export type StoredObject = KubernetesObject & Readonly<Record<string, unknown>>;

/**
 * What an API server would keep in fields of `metadata` that nobody may write. It stands in one annotation, so that the
 * files can be applied to a cluster as they are: `kubectl apply` refuses a manifest with a uid of somewhere else.
 */
const recordAnnotation = 'nanoseg.io/workspace';

interface StoreRecord {
  readonly uid: string;
  readonly generation: number;
  /** Of the spec when nanoseg wrote it; another one in the file: a person changed it since. */
  readonly specHash: string;
  /** RFC 3339, or empty for an object that nanoseg did not create. */
  readonly created: string;
}

/** An object as it is read out of a file, with the metadata that a server would give it. */
export interface ReadObject {
  readonly object: StoredObject;
  /** `edited`: its spec was changed by hand since nanoseg wrote it; `foreign`: nanoseg never did. */
  readonly origin: 'written' | 'edited' | 'foreign';
}

/** `live` is what of the status is kept elsewhere; without a status in the file there is nothing that it belongs to. */
export function objectFromBody(
  body: Readonly<Record<string, unknown>>,
  place: { readonly namespace: string; readonly name: string },
  live?: unknown,
): ReadObject {
  const { apiVersion, kind, metadata, ...rest } = body;
  const { uid, resourceVersion: _, generation: __, ...meta } = isRecord(metadata) ? metadata : {};
  const { [recordAnnotation]: recordText, ...annotations } = isRecord(meta['annotations']) ? meta['annotations'] : {};
  const specHash = specHashOf(rest);
  const record = parseRecord(recordText);
  const edited = record !== undefined && record.specHash !== specHash;
  const origin = record === undefined ? 'foreign' : edited ? 'edited' : 'written';
  const { status } = rest;
  const joined = live !== undefined && isRecord(status) ? { ...rest, status: { ...status, live } } : rest;
  const known = {
    apiVersion: String(apiVersion),
    kind: String(kind),
    metadata: {
      ...meta,
      ...place,
      uid:
        record?.uid ?? (typeof uid === 'string' ? uid : derivedUid(`${String(kind)}/${place.namespace}/${place.name}`)),
      generation: (record?.generation ?? 1) + (edited ? 1 : 0),
      ...(record !== undefined && record.created !== '' && { creationTimestamp: record.created }),
    } as ObjectMeta,
    ...joined,
  };
  const { annotations: ___, ...bare } = known.metadata;
  const complete = {
    ...known,
    metadata: Object.keys(annotations).length === 0 ? bare : { ...bare, annotations: annotations as Labels },
  };
  const resourceVersion = shortHash(JSON.stringify(complete));
  return { object: { ...complete, metadata: { ...complete.metadata, resourceVersion } }, origin };
}

/** The text of the file that an object is kept in; `live` of its status is not part of it. */
export function textOfObject(object: StoredObject): string {
  const { apiVersion, kind, metadata, ...rest } = plainData(object) as StoredObject;
  const { name, namespace, uid, generation, creationTimestamp, labels, annotations } = metadata;
  const { status, ...spec } = rest;
  const { live: _, ...lasting } = isRecord(status) ? status : {};
  const record: StoreRecord = {
    uid: uid ?? '',
    generation: generation ?? 1,
    specHash: specHashOf(spec),
    created: creationTimestamp ?? '',
  };
  return renderYaml({
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      ...(labels !== undefined && { labels }),
      annotations: { ...annotations, [recordAnnotation]: recordWords(record) },
    },
    ...spec,
    ...(isRecord(status) && { status: lasting }),
  });
}

/** `status.live`, or undefined. */
export function liveOf(object: StoredObject): unknown {
  return isRecord(object['status']) ? object['status']['live'] : undefined;
}

/** Everything but type, metadata and status: what a generation counts the changes of. */
export function specOf(object: StoredObject): Readonly<Record<string, unknown>> {
  const { apiVersion: _, kind: __, metadata: ___, status: ____, ...spec } = object;
  return spec;
}

function recordWords({ uid, generation, specHash, created }: StoreRecord): string {
  return [
    `uid=${uid}`,
    `generation=${generation}`,
    `spec=${specHash}`,
    ...(created === '' ? [] : [`created=${created}`]),
  ].join(' ');
}

function parseRecord(text: unknown): StoreRecord | undefined {
  const parts =
    typeof text === 'string' &&
    /^uid=([0-9a-f-]{36}) generation=([1-9]\d{0,8}) spec=([0-9a-f]{16})(?: created=(\d[-0-9T:.]{10,30}Z))?$/.exec(text);
  if (!parts) return undefined;
  const [, uid = '', generation, specHash = '', created = ''] = parts;
  return { uid, generation: Number(generation), specHash, created };
}

/** Of everything but the status. */
export function specHashOf(fields: Readonly<Record<string, unknown>>): string {
  const { status: _, ...spec } = fields;
  return shortHash(JSON.stringify(spec));
}

/** 64 bits: against accidents, not against people who may write the files anyway. */
function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** For objects that a person made by hand: the same as long as nobody renames them. Version 8 of RFC 9562. */
function derivedUid(identity: string): string {
  const hex = createHash('sha256').update(identity).digest('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20, 32)].join(
    '-',
  );
}

/** As the API server keeps it: fields without a value are no fields. */
export function plainData(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.map((item) => {
      if (item === null || item === undefined) throw new ClusterError('Invalid', 'a list holds null', { status: 422 });
      return plainData(item);
    });
  }
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, inner]) =>
      inner === undefined || inner === null ? [] : [[key, plainData(inner)]],
    ),
  );
}
