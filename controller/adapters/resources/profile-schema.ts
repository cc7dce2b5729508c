import { z } from 'zod';
import { cidrSet, parseCidr } from '../../model/cidr.ts';
import {
  cniNamed,
  cniNames,
  cniSpellings,
  modes,
  type ProfileStatus,
  profileConditionTypes,
  sourceStates,
} from '../../model/profile.ts';
import { policyProtocols } from '../../model/protocol.ts';
import { labelsField, namespaceName, portNumber } from '../inventory/field-schemas.ts';
import { conditionList, schemaOf, wholeNumber } from './resource-fields.ts';

const unitMs = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function milliseconds(text: string): number {
  return Number(text.slice(0, -1)) * unitMs[text.slice(-1) as keyof typeof unitMs];
}

const notDuration = ({ input }: { readonly input: unknown }) =>
  `not a duration: ${JSON.stringify(String(input).slice(0, 80))}; write 5s, 5m, 24h or 7d`;

/** Milliseconds of `5m`. */
const duration = z
  .string()
  .regex(/^[1-9][0-9]{0,7}[smhd]$/, { error: notDuration })
  .transform(milliseconds);

/** Milliseconds, or undefined for never. */
const durationOrNever = z
  .string()
  .regex(/^(?:[1-9][0-9]{0,7}[smhd]|Never)$/, { error: notDuration })
  .transform((text) => (text === 'Never' ? undefined : milliseconds(text)));

const cni = z
  .string()
  .meta({ enum: [...cniSpellings] })
  .transform((name, context) => {
    const known = cniNamed(name);
    if (known !== undefined) return known;
    context.addIssue(`expected one of ${cniNames.join(', ')}, got ${JSON.stringify(name.slice(0, 80))}`);
    return z.NEVER;
  });

/** A Kubernetes enum in CamelCase, in lower case as the model has it. */
function lowerCase<const Spelling extends string>(spellings: readonly Spelling[]) {
  return z.enum(spellings).transform((spelling) => spelling.toLowerCase() as Lowercase<Spelling>);
}

const share = z.number().min(0).max(1);
const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const;
const weekday = z.enum(days).transform((day) => days.indexOf(day));

const cidrText = z
  .string()
  .max(49)
  .refine((text) => parseCidr(text) !== undefined, 'not a CIDR');
const cidrs = z
  .array(cidrText)
  .max(1000)
  .transform((texts) => cidrSet(texts.flatMap((text) => parseCidr(text) ?? [])));

const side = z.string().min(1).max(512);
const sideForms = 'namespace/name, namespace/Kind/name, an address or CIDR, node, kube-apiserver or *.';
const patternFields = {
  port: portNumber.exactOptional().describe('Port of the destination. Default: every port.'),
  protocol: z.enum(policyProtocols).exactOptional().describe('Transport protocol. Default: every protocol.'),
  reason: z.string().max(4096).exactOptional().describe('Why, for the people who read the profile.'),
};

const refusedPattern = z
  .strictObject({
    source: side.exactOptional().describe(`Who connects: ${sideForms} Default: *, everybody.`),
    destination: side.exactOptional().describe(`Who is connected to: ${sideForms} Default: *, everybody.`),
    ...patternFields,
  })
  .transform(({ source = '*', destination = '*', port, protocol }) => ({ source, destination, port, protocol }));

/** Accepting widens, so that both sides must be said; refusing narrows, and may mean everybody. */
const acceptedPattern = z
  .strictObject({
    source: side.describe(`Who connects: ${sideForms} Not * when the destination is.`),
    destination: side.describe(`Who is connected to: ${sideForms} Not * when the source is.`),
    ...patternFields,
  })
  .refine(({ source, destination }) => source !== '*' || destination !== '*', 'accepts everything; name a side')
  .transform(({ source, destination, port, protocol }) => ({ source, destination, port, protocol }));

/** What widens without a person must say for which namespaces. */
const autoApprovalRule = z
  .strictObject({
    name: z.string().min(1).max(253).describe('Name of the rule; it stands in the record of what it approved.'),
    changes: z
      .array(z.enum(['New', 'Grow', 'Shrink', 'Amend']))
      .min(1)
      .max(4)
      .describe(
        'The changes that it approves. New: the first policies of a workload. Grow: allows more than what is in force. ' +
          'Shrink: allows less. Amend: both.',
      ),
    namespaceLabels: labelsField
      .meta({ type: 'object', additionalProperties: { type: 'string' } })
      .exactOptional()
      .describe(
        'Labels that the namespace must have, all of them. Only a rule for nothing but Shrink may leave them out; ' +
          'it is then for every namespace of the profile.',
      ),
  })
  .refine(
    ({ changes, namespaceLabels = {} }) =>
      changes.every((change) => change === 'Shrink') || Object.keys(namespaceLabels).length > 0,
    {
      error: 'approves more than Shrink for every namespace; name the labels of those it is for',
      path: ['namespaceLabels'],
    },
  )
  .transform(({ name, changes, namespaceLabels = {} }) => ({ name, changes, namespaceLabels }));

const learning = z.strictObject({
  bin: duration
    .exactOptional()
    .describe(
      'Finest time bin of the evidence, such as 5s or 5m. Coverage counts in how many bins a connection was seen. ' +
        "Only in the cluster's profile. Default: 5m.",
    ),
  window: duration
    .exactOptional()
    .describe(
      'Least time between the first and the last flow before anything is ready, such as 24h or 7d. Default: 24h.',
    ),
  coverage: share
    .exactOptional()
    .describe("Least estimated share of a workload's connections already seen, 0 to 1. Default: 0.99."),
  bins: wholeNumber
    .exactOptional()
    .describe('With fewer time bins than this there is no estimate, and nothing is ready. Default: 10.'),
  weekdays: z.array(weekday).max(7).exactOptional().describe('Days that the window must hold. Default: none.'),
  loss: share
    .exactOptional()
    .describe('Largest share of lost flow events, 0 to 1, on the nodes of a workload. Default: 0.001.'),
  startUps: z
    .boolean()
    .exactOptional()
    .describe('Whether the start of a pod of the workload must have been seen. Default: true.'),
  cronJobs: z
    .boolean()
    .exactOptional()
    .describe('Whether every CronJob of the namespace must have run. Default: true.'),
});

const external = z.strictObject({
  networks: z
    .array(
      z.strictObject({
        name: z.string().min(1).max(253).describe('Name for people.'),
        cidrs: z.array(cidrText).min(1).max(1000).describe('Its address ranges.'),
      }),
    )
    .max(1000)
    .exactOptional()
    .describe(
      'Networks outside of the cluster by name. An address inside of one is written as the whole network, which is counted as an over-grant. ' +
        'Default: none.',
    ),
  addedAddresses: wholeNumber
    .exactOptional()
    .describe(
      'External addresses are joined to wider blocks as long as a block adds no more addresses than this. Default: 0, never.',
    ),
  clientsBeforeWorld: wholeNumber
    .exactOptional()
    .describe(
      'An exposed workload with more external clients than this is opened to the world outside of the cluster. Default: 5.',
    ),
});

const clusterCidrs = z.strictObject({
  pods: cidrs.exactOptional().describe('Ranges of pods.'),
  services: cidrs.exactOptional().describe('Ranges of Services.'),
  nodes: cidrs.exactOptional().describe('Ranges of nodes.'),
});

const approvals = z.strictObject({
  required: z.int().min(1).max(100).exactOptional().describe('Distinct approvers that a proposal needs. Default: 1.'),
  expiry: duration
    .exactOptional()
    .describe(
      'An approval that is older than this when it would be acted on counts for nothing, such as 7d. Default: 7d.',
    ),
  identity: lowerCase(['Stamped', 'Claimed'])
    .exactOptional()
    .describe(
      'Whose approvals count. Stamped: of users whom the API server authenticated, as the admission webhook signed it. ' +
        'Claimed: also of users whom nobody authenticated; everything that shows them says so. Default: Stamped.',
    ),
  automatic: z
    .array(autoApprovalRule)
    .max(100)
    .exactOptional()
    .describe('Rules that approve by themselves. Default: none, every change needs people.'),
});

const guard = z.strictObject({
  duration: duration.exactOptional().describe('How long after an apply nanoseg watches it, such as 10m. Default: 10m.'),
  deniedConnections: wholeNumber
    .exactOptional()
    .describe('It takes the apply back when more connections of the baseline than this are denied. Default: 0.'),
  unreadyPods: wholeNumber
    .exactOptional()
    .describe(
      'It takes the apply back when more pods of the workload than this were ready before and are not any more. Default: 0.',
    ),
});

const closedNamespace = z.strictObject({
  propose: z
    .boolean()
    .exactOptional()
    .describe('Whether to propose a default-deny for everything that comes later. Default: true.'),
  newWorkloads: lowerCase(['Deny', 'Learn'])
    .exactOptional()
    .describe(
      'What a new workload gets once that is in force. Deny: nothing until its own proposal is approved. ' +
        'Learn: everything, visibly, until learnFor is over. Default: Deny.',
    ),
  learnFor: duration.exactOptional().describe('How long a new workload may talk freely, such as 24h. Default: 24h.'),
});

/** `spec` of a SegmentationProfile; what is not set comes from the cluster's profile, and then from the defaults. */
export const profileSpecSchema = z.strictObject({
  mode: z
    .enum(modes)
    .exactOptional()
    .describe(
      'How far nanoseg may go. observe: flows are counted. propose: proposals are made and judged against live flows, no policy is ' +
        'written. enforce: what is validly approved is applied. Default: propose.',
    ),
  cni: cni
    .exactOptional()
    .describe("The network plugin; it decides where plugins differ. Only in the cluster's profile. Default: generic."),
  learning: learning.exactOptional().describe('When enough was seen of a workload.'),
  exemptNamespaces: z
    .array(namespaceName)
    .max(1000)
    .exactOptional()
    .describe(
      'Namespaces that get no proposals; their workloads are still peers. Default: kube-system, kube-public, kube-node-lease.',
    ),
  external: external.exactOptional().describe('How peers outside of the cluster are written.'),
  clusterCidrs: clusterCidrs
    .exactOptional()
    .describe(
      'Address ranges of the cluster that no object tells; what is inside is never an external address. ' +
        "Only in the cluster's profile. Default: those of the inventory.",
    ),
  accepted: z
    .array(acceptedPattern)
    .max(1000)
    .exactOptional()
    .describe('Connections that a person has looked at: they are learned although they are suspicious. Default: none.'),
  refused: z
    .array(refusedPattern)
    .max(1000)
    .exactOptional()
    .describe('Connections that are never learned. Refused wins over accepted. Default: none.'),
  scanTargets: z
    .int()
    .min(1)
    .exactOptional()
    .describe('A client is taken for a scanner from this many unanswered or denied targets on. Default: 10.'),
  jointPolicies: z
    .boolean()
    .exactOptional()
    .describe(
      'Whether to propose one policy for workloads that no label tells apart, instead of only offering it. Default: false.',
    ),
  approvals: approvals.exactOptional().describe('Whose approvals a change needs.'),
  drift: lowerCase(['Repair', 'Report'])
    .exactOptional()
    .describe(
      'What happens to a managed policy that was edited, deleted or lost its label. Repair: it is written again. ' +
        'Report: it is only shown. Default: Repair.',
    ),
  guard: guard.exactOptional().describe('When an apply is taken back by itself.'),
  unusedAfter: durationOrNever
    .exactOptional()
    .describe(
      'A rule that nothing used for so long, such as 30d, is left out of the next proposal; Never keeps them. Default: Never.',
    ),
  closedNamespace: closedNamespace
    .exactOptional()
    .describe('What happens to a namespace of which every workload is enforced.'),
});

export type ProfileSpec = z.output<typeof profileSpecSchema>;

/** `status` of a SegmentationProfile; the controller alone writes it. */
export const profileStatusSchema = schemaOf<ProfileStatus>()(
  z.object({
    observedGeneration: wholeNumber.describe('The generation of the spec that this status is about.'),
    controller: z
      .string()
      .exactOptional()
      .describe('The replica of the controller that decides: the holder of the Lease.'),
    coverage: z
      .object({
        pods: wholeNumber.describe('Pods that run.'),
        isolatedIngress: wholeNumber.describe('Pods that a policy isolates for incoming connections.'),
        isolatedEgress: wholeNumber.describe('Pods that a policy isolates for outgoing connections.'),
        open: z
          .array(
            z.object({
              because: z.string().describe('Why they are not isolated.'),
              pods: wholeNumber.describe('How many pods that is true for.'),
            }),
          )
          .describe('Why the others are not isolated in both directions.'),
      })
      .exactOptional()
      .describe('How many pods are isolated, in the namespace; in the whole cluster for its profile.'),
    sources: z
      .array(
        z.object({
          name: z.string().describe('Name of the source.'),
          state: z.enum(sourceStates).describe('Connected: flows arrive. Waiting: not yet. Failed: they do not.'),
          message: z.string().describe('What is known of it, in a sentence.'),
        }),
      )
      .exactOptional()
      .describe("Where flows come from. Only in the cluster's profile."),
    streams: z
      .object({
        server: z.string().describe('The Redis server, without user and password.'),
        memory: z
          .array(
            z.object({
              usedBytes: wholeNumber.describe('Memory that it uses.'),
              mostBytes: wholeNumber.exactOptional().describe('Memory that it may use, where it is told.'),
            }),
          )
          .describe('Of each server that has shards.'),
        shards: z
          .array(
            z.object({
              shard: wholeNumber.describe('Its number, from 0 on.'),
              holder: z.string().exactOptional().describe('Who counts its flows; absent: nobody at the moment.'),
              waiting: wholeNumber.describe('Batches that are not counted and saved yet.'),
              savedAt: z.string().exactOptional().describe('When it was saved last.'),
            }),
          )
          .describe('The parts that flows are divided into.'),
        members: z
          .array(
            z.object({
              who: z.string().describe('The process.'),
              role: z.enum(['ingest', 'decide']).describe('What it does.'),
              shards: wholeNumber.describe('How many shards it holds.'),
              startedAt: z.string().describe('When it was started.'),
              problems: z.array(z.string()).describe('What of its work does not work now.'),
            }),
          )
          .describe('The processes that were heard of lately.'),
      })
      .exactOptional()
      .describe("How several processes share the work over Redis. Only in the cluster's profile."),
    conditions: conditionList(profileConditionTypes).describe('What holds of the profile.'),
  }),
);
