import { basename, dirname, relative, sep } from 'node:path';
import type { ObjectRef } from '../../model/kubernetes-object.ts';
import type { Labels } from '../../model/label-selector.ts';
import { resourceApiVersion } from '../../model/policy-proposal.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { renderYaml } from '../../policy/render-yaml.ts';
import { isRecord } from '../inventory/located-object.ts';
import { stopAnnotation } from '../inventory/read-annotations.ts';
import { removeDurably, writeDurably } from './durable-file.ts';
import { findManifestFiles, readManifestFile } from './manifest-files.ts';
import { parseManifests } from './parse-manifests.ts';
import { brokenFile } from './store-refusals.ts';
import { annotationFile } from './workspace-paths.ts';

/** Annotations that were set on an object from outside of its manifest. */
export interface Annotated extends ObjectRef {
  readonly annotations: Labels;
  readonly where: string;
}

interface AnnotationReading {
  readonly annotated: Annotated;
  readonly problems: readonly Problem[];
}

/** Every file of the folder. */
export async function readAnnotationFiles(
  folder: string,
): Promise<{ readonly annotated: readonly Annotated[]; readonly problems: readonly Problem[] }> {
  const { files, problems } = await findManifestFiles([folder]);
  const readings = await Promise.all(files.map((file) => readOne(file, refOfPath(relative(folder, file)))));
  return {
    annotated: readings.map(({ annotated }) => annotated),
    problems: [...problems, ...readings.flatMap((reading) => reading.problems)],
  };
}

/** What is set on one object; empty where nothing is. Throws ClusterError for a file that cannot be read. */
export async function readAnnotationFile(root: string, ref: ObjectRef): Promise<Labels> {
  const file = annotationFile(root, ref);
  const { files } = await findManifestFiles([file]);
  if (files.length === 0) return {};
  const { annotated, problems } = await readOne(file, ref);
  if (problems.length > 0) throw brokenFile(problems);
  return annotated.annotations;
}

/** A file that cannot be read may be a switch to stop: then it is one. */
async function readOne(file: string, ref: ObjectRef): Promise<AnnotationReading> {
  const text = await readManifestFile(file);
  const { objects, problems } =
    typeof text === 'string' ? parseManifests(text, file) : { objects: [], problems: [text] };
  const [object] = objects;
  const metadata = object?.body['metadata'];
  const annotations = isRecord(metadata) ? metadata['annotations'] : undefined;
  const isIt = object?.kind === ref.kind && object.namespace === ref.namespace && object.name === ref.name;
  if (problems.length === 0 && objects.length === 1 && isIt && isLabels(annotations)) {
    return { annotated: { ...ref, annotations, where: object.where }, problems: [] };
  }
  const expected = `expected annotations of ${[ref.kind, ref.namespace, ref.name].filter(Boolean).join(' ')}`;
  return {
    annotated: { ...ref, annotations: { [stopAnnotation]: `${file} cannot be read` }, where: `${file}:1` },
    problems: [...problems, problem('ObjectMisplaced', `${expected}; until then nothing is written there`, file)],
  };
}

function refOfPath(path: string): ObjectRef {
  const folders = dirname(path).split(sep);
  return { kind: folders[0] ?? '', namespace: folders[1] ?? '', name: basename(path).replace(/\.[a-z]+$/, '') };
}

function isLabels(value: unknown): value is Labels {
  return isRecord(value) && Object.values(value).every((item) => typeof item === 'string');
}

/** Without any the file goes. */
export async function writeAnnotationFile(root: string, ref: ObjectRef, annotations: Labels): Promise<void> {
  const { kind, namespace, name } = ref;
  const file = annotationFile(root, ref);
  if (Object.keys(annotations).length === 0) {
    await removeDurably(file);
    return;
  }
  const apiVersion = kind === 'Namespace' ? 'v1' : resourceApiVersion;
  const metadata = { name, ...(namespace !== '' && { namespace }), annotations };
  await writeDurably(file, renderYaml({ apiVersion, kind, metadata }));
}
