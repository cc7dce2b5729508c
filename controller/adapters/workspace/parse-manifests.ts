import { type Problem, problem } from '../../model/problem.ts';
import { groupOf, isRecord, type LocatedObject, type ObjectReading } from '../inventory/located-object.ts';
import { readYamlDocument, splitYamlDocuments } from './kubernetes-yaml.ts';
import { manifestLimits } from './limits.ts';

/**
 * The Kubernetes objects in one text: YAML with any number of documents, or JSON; Lists are taken apart. What cannot be
 * read is a problem with `origin:line`, and the rest is read all the same.
 */
export function parseManifests(text: string, origin: string): ObjectReading {
  const objects: LocatedObject[] = [];
  const problems: Problem[] = [];
  const collect = (value: unknown, where: string) => collectObjects(value, where, 0, {}, objects, problems);
  const source = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (/^\s*[{[]/.test(source)) {
    const json = readJson(source, origin);
    if (json.kind === 'problem') return { objects, problems: [json.problem] };
    if (json.kind === 'read') {
      collect(json.value, `${origin}:1`);
      return { objects, problems };
    }
  }
  for (const [i, chunk] of splitYamlDocuments(source).entries()) {
    const reading = readYamlDocument(chunk.text);
    if (reading.kind === 'read') {
      collect(reading.value, `${origin}:${firstContentLine(chunk.text) + chunk.line}`);
      continue;
    }
    const where = `${origin}:${chunk.line + reading.line - 1}`;
    problems.push(
      reading.limit
        ? problem('LimitExceeded', `document ${i + 1}: ${reading.reason}`, where)
        : problem('ManifestUnreadable', `document ${i + 1} is not YAML: ${reading.reason}`, where),
    );
  }
  return { objects, problems };
}

type JsonReading =
  | { readonly kind: 'read'; readonly value: unknown }
  | { readonly kind: 'problem'; readonly problem: Problem }
  /** Begins like JSON and is not: YAML's flow style, perhaps. */
  | { readonly kind: 'other' };

function readJson(text: string, origin: string): JsonReading {
  if (jsonDepth(text) > manifestLimits.depth) {
    const message = `JSON nested deeper than ${manifestLimits.depth} levels (limit: depth)`;
    return { kind: 'problem', problem: problem('LimitExceeded', message, `${origin}:1`) };
  }
  try {
    return { kind: 'read', value: JSON.parse(text) };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    if (!origin.endsWith('.json')) return { kind: 'other' };
    return { kind: 'problem', problem: problem('ManifestUnreadable', `not JSON: ${error.message}`, `${origin}:1`) };
  }
}

/** Deepest nesting of brackets outside of strings; stops counting once the limit is passed. */
function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let i = 0; i < text.length && deepest <= manifestLimits.depth; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22:
        for (i++; i < text.length && text.charCodeAt(i) !== 0x22; i++) if (text.charCodeAt(i) === 0x5c) i++;
        break;
      case 0x5b:
      case 0x7b:
        depth++;
        if (depth > deepest) deepest = depth;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
    }
  }
  return deepest;
}

/** Lines before the first that is no comment, no marker and not empty. */
function firstContentLine(text: string): number {
  const lines = text.split('\n', 200);
  const index = lines.findIndex((line) => !/^\s*(?:#.*)?$|^---\s*(?:#.*)?$|^%/.test(line));
  return Math.max(index, 0);
}

/** What the items of a typed list (`PodList`) leave out, because the list says it. */
interface ListType {
  readonly apiVersion?: string;
  readonly kind?: string;
}

function collectObjects(
  value: unknown,
  where: string,
  lists: number,
  type: ListType,
  objects: LocatedObject[],
  problems: Problem[],
): void {
  if (value === null || value === undefined) return;
  if (lists > manifestLimits.nestedLists) {
    problems.push(problem('LimitExceeded', `lists nested deeper than ${manifestLimits.nestedLists} levels`, where));
    return;
  }
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) {
      collectObjects(item, `${where} [${i}]`, lists + 1, type, objects, problems);
    }
    return;
  }
  if (!isRecord(value)) {
    problems.push(problem('ManifestUnreadable', `expected a Kubernetes object, got a ${typeof value}`, where));
    return;
  }
  const { apiVersion = type.apiVersion, kind = type.kind, metadata } = value;
  // values files, reports and the like lie beside manifests, and claim to be none
  if (kind === undefined && metadata === undefined) return;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !/^[A-Za-z][A-Za-z0-9]*$/.test(kind)) {
    problems.push(problem('ManifestUnreadable', 'no Kubernetes object: it lacks an apiVersion or a kind', where));
    return;
  }
  if (kind.endsWith('List') && (Array.isArray(value['items']) || value['items'] === null)) {
    const itemType = kind === 'List' ? {} : { apiVersion, kind: kind.slice(0, -'List'.length) };
    for (const [i, item] of (value['items'] ?? []).entries()) {
      collectObjects(item, `${where} items[${i}]`, lists + 1, itemType, objects, problems);
    }
    return;
  }
  // configurations of tools (kustomize, kind) look like objects, and are none
  if (metadata === undefined && !servedGroups.includes(groupOf(apiVersion))) return;
  const { name, namespace, generateName } = isRecord(metadata) ? metadata : {};
  const called = name ?? (typeof generateName === 'string' ? generateName.replace(/-+$/, '') : undefined);
  if (typeof called !== 'string' || !isPathSegment(called)) {
    problems.push(problem('ObjectInvalid', `${kind}: metadata.name ${saw(called)} is not an object's name`, where));
    return;
  }
  if (namespace !== undefined && namespace !== null && (typeof namespace !== 'string' || !isNamespace(namespace))) {
    const message = `${kind} ${called}: metadata.namespace ${saw(namespace)} is not a namespace's name`;
    problems.push(problem('ObjectInvalid', message, where));
    return;
  }
  objects.push({ apiVersion, kind, namespace: namespace ?? '', name: called, body: value, where });
}

/** Groups of the kinds that we read: an object of theirs without metadata is a mistake. */
const servedGroups = ['', 'apps', 'batch', 'networking.k8s.io', 'discovery.k8s.io', 'admissionregistration.k8s.io'];

function saw(value: unknown): string {
  return value === undefined ? '(missing)' : JSON.stringify(value).slice(0, 80);
}

/** What may stand in an object's path: every kind's own rule is stricter. */
function isPathSegment(name: string): boolean {
  return name.length <= 253 && /^[A-Za-z0-9:._-]+$/.test(name) && name !== '.' && name !== '..';
}

function isNamespace(name: string): boolean {
  return name === '' || /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(name);
}
