import type { z } from 'zod';
import type { KubernetesObject } from '../../model/kubernetes-object.ts';
import { resourceApiVersion } from '../../model/policy-proposal.ts';
import { approvalSpecSchema, approvalStatusSchema } from './approval-schema.ts';
import { profileSpecSchema, profileStatusSchema } from './profile-schema.ts';
import { proposalSpecSchema, proposalStatusSchema } from './proposal-schema.ts';
import { structuralSchema } from './structural-schema.ts';

interface CustomResource {
  readonly kind: string;
  readonly plural: string;
  readonly shortName: string;
  readonly description: string;
  readonly spec: z.ZodType;
  readonly specDescription: string;
  readonly status: z.ZodType;
  readonly statusDescription: string;
  readonly columns: readonly PrinterColumn[];
}

/** A column of `kubectl get`. */
interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  /** Only with `-o wide`. */
  readonly priority?: 1;
}

const age: PrinterColumn = {
  name: 'Age',
  type: 'date',
  jsonPath: '.metadata.creationTimestamp',
  description: 'Time since it was made.',
};

const customResources: readonly CustomResource[] = [
  {
    kind: 'SegmentationProfile',
    plural: 'segmentationprofiles',
    shortName: 'segprof',
    description:
      'What nanoseg may conclude and do by itself. The profile named default of a namespace is for that namespace, ' +
      "the one named default in nanoseg's own namespace is for the cluster; profiles of other names are not read. " +
      "A field that a namespace's profile does not set comes from the cluster's. " +
      "The annotation nanoseg.io/stop on the cluster's profile stops all writes.",
    spec: profileSpecSchema,
    specDescription: 'What people decide.',
    status: profileStatusSchema,
    statusDescription: 'What nanoseg says of it.',
    columns: [
      { name: 'Mode', type: 'string', jsonPath: '.spec.mode', description: 'observe, propose or enforce.' },
      {
        name: 'Valid',
        type: 'string',
        jsonPath: '.status.conditions[?(@.type=="Valid")].status',
        description: 'Whether nanoseg can use it.',
        priority: 1,
      },
      age,
    ],
  },
  {
    kind: 'PolicyProposal',
    plural: 'policyproposals',
    shortName: 'polprop',
    description:
      'The NetworkPolicies that nanoseg proposes for one workload, with the proof, and what became of them. ' +
      'Nothing is applied before a PolicyApproval names its digest. Deleting it does not remove policies.',
    spec: proposalSpecSchema,
    specDescription: 'What is approved; all of it is in the digest. The controller writes it, you may edit policies.',
    status: proposalStatusSchema,
    statusDescription: 'What the controller says of it.',
    columns: [
      { name: 'State', type: 'string', jsonPath: '.status.state', description: 'Where it stands.' },
      { name: 'Rules', type: 'integer', jsonPath: '.status.rules', description: 'Number of rules.' },
      { name: 'Change', type: 'string', jsonPath: '.status.change', description: 'Against what is in force.' },
      {
        name: 'Coverage',
        type: 'string',
        jsonPath: '.status.readiness.coverage',
        description: 'Estimated share of the connections already seen.',
      },
      {
        name: 'Would-Deny',
        type: 'integer',
        jsonPath: '.status.proof.wouldDeny.count',
        description: 'Observed connections that the policies would deny.',
      },
      {
        name: 'Revision',
        type: 'integer',
        jsonPath: '.status.enforced.revision',
        description: 'The revision in force.',
      },
      age,
      { name: 'Message', type: 'string', jsonPath: '.status.message', description: 'Why this state.', priority: 1 },
    ],
  },
  {
    kind: 'PolicyApproval',
    plural: 'policyapprovals',
    shortName: 'polapp',
    description:
      'The decision of one person about one digest of one PolicyProposal. The right to create it is the right to decide. ' +
      'It cannot be changed; to decide otherwise, create another one.',
    spec: approvalSpecSchema,
    specDescription: 'The decision; it cannot be changed.',
    status: approvalStatusSchema,
    statusDescription: 'What the controller says of it.',
    columns: [
      { name: 'Proposal', type: 'string', jsonPath: '.spec.proposal', description: 'What is decided about.' },
      { name: 'Decision', type: 'string', jsonPath: '.spec.decision', description: 'What is decided.' },
      { name: 'User', type: 'string', jsonPath: '.spec.stamp.user', description: 'Whom the API server authenticated.' },
      { name: 'Counted', type: 'boolean', jsonPath: '.status.counted', description: 'Whether it counts.' },
      { name: 'Claimed-By', type: 'string', jsonPath: '.spec.claim.user', description: 'Nobody checked it.' },
      age,
      {
        name: 'Message',
        type: 'string',
        jsonPath: '.status.message',
        description: 'Why it counts or not.',
        priority: 1,
      },
    ],
  },
];

/** The CustomResourceDefinitions of nanoseg (apiextensions.k8s.io/v1), which API servers know since 1.16. */
export function customResourceDefinitions(): readonly KubernetesObject[] {
  return customResources.map(definitionOf);
}

function definitionOf(resource: CustomResource): KubernetesObject {
  const [group = '', version = ''] = resourceApiVersion.split('/');
  const { kind, plural, shortName } = resource;
  const schema = {
    description: resource.description,
    type: 'object',
    required: ['spec'],
    properties: {
      apiVersion: { description: `${resourceApiVersion}.`, type: 'string' },
      kind: { description: `${kind}.`, type: 'string' },
      metadata: { type: 'object' },
      spec: { ...structuralSchema(resource.spec), description: resource.specDescription },
      status: { ...structuralSchema(resource.status), description: resource.statusDescription },
    },
  };
  const definition = {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, labels: { 'app.kubernetes.io/part-of': 'nanoseg' } },
    spec: {
      group,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames: [shortName],
        categories: ['nanoseg'],
      },
      scope: 'Namespaced',
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: { status: {} },
          additionalPrinterColumns: resource.columns,
          schema: { openAPIV3Schema: schema },
        },
      ],
    },
  };
  return definition;
}
