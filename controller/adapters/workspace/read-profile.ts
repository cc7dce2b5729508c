import { z } from 'zod';
import { resourceApiVersion } from '../../model/policy-proposal.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { defaultProfile, type Profile } from '../../model/profile.ts';
import { fieldPath } from '../inventory/faults.ts';
import { namespaceName, objectNameText } from '../inventory/field-schemas.ts';
import { layerOf, resolveProfile } from '../resources/profile-layer.ts';
import { profileSpecSchema } from '../resources/profile-schema.ts';
import { readYamlDocument, splitYamlDocuments } from './kubernetes-yaml.ts';
import { readManifestFile } from './manifest-files.ts';
import { yamlLines } from './yaml-lines.ts';

/** The file as a whole. More of the metadata than the name is the business of the API server. */
const profileSchema = z.strictObject({
  apiVersion: z.literal(resourceApiVersion),
  kind: z.literal('SegmentationProfile'),
  metadata: z.object({ name: objectNameText.optional(), namespace: namespaceName.optional() }).optional(),
  spec: profileSpecSchema.optional(),
  status: z.unknown().optional(),
});

/** A profile, with every field that the text leaves out at its default; defaults throughout when there are problems. */
export interface ProfileReading {
  readonly profile: Profile;
  readonly problems: readonly Problem[];
}

/** Reads a SegmentationProfile from a YAML or JSON file. */
export async function readProfile(path: string): Promise<ProfileReading> {
  const text = await readManifestFile(path);
  return typeof text === 'string' ? profileFromText(text, path) : { profile: defaultProfile, problems: [text] };
}

export function profileFromText(text: string, origin: string): ProfileReading {
  const failed = (...problems: Problem[]): ProfileReading => ({ profile: defaultProfile, problems });
  const chunks = splitYamlDocuments(text);
  const [chunk] = chunks;
  if (chunk === undefined || chunks.length > 1) {
    return failed(problem('ProfileInvalid', `expected one document, got ${chunks.length}`, origin));
  }
  const reading = readYamlDocument(chunk.text);
  if (reading.kind === 'broken') {
    const where = `${origin}:${chunk.line + reading.line - 1}`;
    return failed(problem(reading.limit ? 'LimitExceeded' : 'ProfileInvalid', `not YAML: ${reading.reason}`, where));
  }
  const parsed = profileSchema.safeParse(reading.value);
  if (!parsed.success) {
    const lines = yamlLines(chunk.text);
    const at = (path: readonly PropertyKey[]) => {
      const line = lines.get(fieldPath(path)) ?? lines.get(fieldPath(path.slice(0, -1))) ?? 1;
      return `${origin}:${chunk.line + line - 1}`;
    };
    return failed(
      ...parsed.error.issues.flatMap((issue) => {
        if (issue.code === 'unrecognized_keys') {
          return issue.keys.map((key) => {
            const path = [...issue.path, key];
            return problem('ProfileInvalid', `${fieldPath(path)}: there is no such field`, at(path));
          });
        }
        const message = issue.message.replace(/^Invalid (?:input|option): /, '');
        return [problem('ProfileInvalid', `${fieldPath(issue.path) || 'document'}: ${message}`, at(issue.path))];
      }),
    );
  }
  return { profile: resolveProfile(layerOf(parsed.data.spec ?? {})), problems: [] };
}
