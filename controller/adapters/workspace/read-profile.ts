import { z } from 'zod';
import { cidrSet, parseCidr } from '../../model/cidr.ts';
import { type Problem, problem } from '../../model/problem.ts';
import { cniNamed, cniNames, defaultProfile, type Profile } from '../../model/profile.ts';
import { policyProtocols } from '../../model/protocol.ts';
import { fieldPath } from '../inventory/faults.ts';
import { namespaceName, objectNameText, portNumber } from '../inventory/field-schemas.ts';
import { readYamlDocument, splitYamlDocuments } from './kubernetes-yaml.ts';
import { readManifestFile } from './manifest-files.ts';
import { yamlLines } from './yaml-lines.ts';

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

const duration = z.string().transform((text, context) => {
  const parts = /^(\d{1,9})([smhd])$/.exec(text);
  const ms = Number(parts?.[1]) * unitMs[(parts?.[2] ?? 's') as keyof typeof unitMs];
  if (ms > 0) return ms;
  context.addIssue(`not a duration: ${JSON.stringify(text.slice(0, 80))}; write 5s, 5m, 24h or 7d`);
  return z.NEVER;
});

const cni = z.string().transform((name, context) => {
  const known = cniNamed(name);
  if (known !== undefined) return known;
  context.addIssue(`expected one of ${cniNames.join(', ')}, got ${JSON.stringify(name.slice(0, 80))}`);
  return z.NEVER;
});

const share = z.number().min(0).max(1);
const count = z.int().min(0);
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const weekday = z.enum(days).transform((day) => days.indexOf(day));

const cidrText = z.string().refine((text) => parseCidr(text) !== undefined, 'not a CIDR');
const cidrs = z.array(cidrText).transform((texts) => cidrSet(texts.flatMap((text) => parseCidr(text) ?? [])));

const refusedPattern = z
  .strictObject({
    source: z.string().min(1).optional(),
    destination: z.string().min(1).optional(),
    port: portNumber.optional(),
    protocol: z.enum(policyProtocols).optional(),
    /** For the people who read the file. */
    reason: z.string().optional(),
  })
  .transform(({ source = '*', destination = '*', port, protocol }) => ({ source, destination, port, protocol }));

/** Accepting widens, so that both sides must be said; refusing narrows, and may mean everybody. */
const acceptedPattern = z
  .strictObject({
    source: z.string().min(1),
    destination: z.string().min(1),
    port: portNumber.optional(),
    protocol: z.enum(policyProtocols).optional(),
    reason: z.string().optional(),
  })
  .refine(({ source, destination }) => source !== '*' || destination !== '*', 'accepts everything; name a side')
  .transform(({ source, destination, port, protocol }) => ({ source, destination, port, protocol }));

const profileSchema = z.strictObject({
  apiVersion: z.literal('nanoseg.io/v1alpha1'),
  kind: z.literal('SegmentationProfile'),
  metadata: z.object({ name: objectNameText.optional(), namespace: namespaceName.optional() }).optional(),
  spec: z
    .strictObject({
      cni: cni.optional(),
      learning: z
        .strictObject({
          bin: duration.optional(),
          window: duration.optional(),
          coverage: share.optional(),
          bins: count.optional(),
          weekdays: z.array(weekday).optional(),
          loss: share.optional(),
          startUps: z.boolean().optional(),
          cronJobs: z.boolean().optional(),
        })
        .optional(),
      exemptNamespaces: z.array(namespaceName).optional(),
      external: z
        .strictObject({
          networks: z.array(z.strictObject({ name: z.string().min(1), cidrs: z.array(cidrText).min(1) })).optional(),
          addedAddresses: count.optional(),
          clientsBeforeWorld: count.optional(),
        })
        .optional(),
      clusterCidrs: z
        .strictObject({ pods: cidrs.optional(), services: cidrs.optional(), nodes: cidrs.optional() })
        .optional(),
      accepted: z.array(acceptedPattern).optional(),
      refused: z.array(refusedPattern).optional(),
      scanTargets: z.int().min(1).optional(),
      jointPolicies: z.boolean().optional(),
    })
    .optional(),
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
  return { profile: withDefaults(parsed.data.spec ?? {}), problems: [] };
}

type ProfileSpec = NonNullable<z.infer<typeof profileSchema>['spec']>;

function withDefaults(spec: ProfileSpec): Profile {
  const { learning, external, clusterCidrs } = defaultProfile;
  return {
    ...defaultProfile,
    cni: spec.cni ?? defaultProfile.cni,
    learning: {
      binMs: spec.learning?.bin ?? learning.binMs,
      windowMs: spec.learning?.window ?? learning.windowMs,
      coverage: spec.learning?.coverage ?? learning.coverage,
      bins: spec.learning?.bins ?? learning.bins,
      weekdays: spec.learning?.weekdays ?? learning.weekdays,
      loss: spec.learning?.loss ?? learning.loss,
      startUps: spec.learning?.startUps ?? learning.startUps,
      cronJobs: spec.learning?.cronJobs ?? learning.cronJobs,
    },
    exemptNamespaces: spec.exemptNamespaces ?? defaultProfile.exemptNamespaces,
    external: {
      networks: spec.external?.networks ?? external.networks,
      addedAddresses: spec.external?.addedAddresses ?? external.addedAddresses,
      clientsBeforeWorld: spec.external?.clientsBeforeWorld ?? external.clientsBeforeWorld,
    },
    clusterCidrs: {
      pods: spec.clusterCidrs?.pods ?? clusterCidrs.pods,
      services: spec.clusterCidrs?.services ?? clusterCidrs.services,
      nodes: spec.clusterCidrs?.nodes ?? clusterCidrs.nodes,
    },
    accepted: spec.accepted ?? defaultProfile.accepted,
    refused: spec.refused ?? defaultProfile.refused,
    scanTargets: spec.scanTargets ?? defaultProfile.scanTargets,
    jointPolicies: spec.jointPolicies ?? defaultProfile.jointPolicies,
  };
}
