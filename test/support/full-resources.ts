import type { ApprovalSpec, PolicyApproval } from '../../controller/model/policy-approval.ts';
import { type PolicyProposal, type Revision, resourceApiVersion } from '../../controller/model/policy-proposal.ts';
import type { ProfileStatus } from '../../controller/model/profile.ts';

/** The type with nothing optional any more, at any depth. */
type Whole<Type> = Type extends readonly (infer Item)[]
  ? readonly Whole<Item>[]
  : Type extends object
    ? { readonly [Key in keyof Type]-?: Whole<Type[Key]> }
    : Type;

const digest = (character: string) => `sha256:${character.repeat(64)}`;
const time = '2026-01-31T12:34:56.789Z';
const connection = 'shop/Deployment/web>shop/Deployment/cart:TCP/8080';
const policies =
  '# from shop/web: 12 times\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: nanoseg-cart\n';
const counted = { count: 51, items: [{ connection, message: 'a client that was never seen before' }] };
const revision: Whole<Revision> = {
  revision: 2,
  digest: digest('a'),
  policies,
  appliedAt: time,
  approvedBy: ['alice', 'bob (claimed)'],
  baseline: [connection],
};

/** With every optional field set, so that a field which an API server drops is missed. */
export const fullProposal: PolicyProposal & { spec: Whole<PolicyProposal['spec']> } = {
  apiVersion: resourceApiVersion,
  kind: 'PolicyProposal',
  metadata: { name: 'deployment-cart', namespace: 'default' },
  spec: { scope: 'Workload', workloads: ['Deployment/cart'], policies, evidence: [connection] },
};

export const fullProposalStatus: Whole<NonNullable<PolicyProposal['status']>> = {
  observedGeneration: 3,
  state: 'Enforced',
  message: 'In force as approved.',
  digest: digest('b'),
  author: 'edited',
  proposedDigest: digest('c'),
  change: 'Amend',
  rules: 2,
  newer: { digest: digest('d'), policies },
  previous: { digest: digest('e'), policies: '', changedAt: time },
  readiness: {
    state: 'learning',
    coverage: '99.7%',
    missing: [{ code: 'CronJobNotSeen', message: 'report never ran' }],
  },
  proof: {
    valid: true,
    checks: [{ name: 'EvidenceAllowed', passed: true, message: '12 of 12 connections are allowed' }],
    overGrants: ['the network office as a whole'],
    wouldDeny: counted,
    reachableBefore: 43,
    reachableAfter: 2,
  },
  heldBack: counted,
  omissions: counted,
  attempts: [connection],
  notes: ['ICMP cannot be written in a NetworkPolicy'],
  approvals: {
    required: 2,
    given: [{ approval: 'deployment-cart-1', user: 'alice', time, identity: 'Stamped' }],
    ignored: [{ approval: 'deployment-cart-2', because: 'it is for another digest' }],
    autoRule: 'tighten',
  },
  notBefore: time,
  applying: { kind: 'Restore', target: revision, by: 'alice', reason: 'the shop is down', startedAt: time },
  enforced: revision,
  lastRevision: 4,
  revisions: [{ ...revision, revision: 0, policies: '', digest: '', approvedBy: [], baseline: [] }],
  drift: { policy: 'nanoseg-cart', message: 'spec.ingress was edited', since: time },
  deviations: [
    { connection, verdict: 'denied', firstSeen: time, lastSeen: time, times: 7, message: 'not in the baseline' },
  ],
  seal: { since: time, broken: 'its status was put back', keyId: 'a1', signature: 'c2ln' },
  live: {
    digest: digest('b'),
    since: time,
    updatedAt: time,
    judged: 1_234_567_890_123,
    wouldDeny: 1,
    samples: [{ connection, message: 'no rule allows it', times: 1, lastSeen: time }],
  },
  conditions: [
    {
      type: 'Enforced',
      status: 'True',
      reason: 'Applied',
      message: 'as approved',
      lastTransitionTime: time,
      observedGeneration: 3,
    },
    {
      type: 'Drifted',
      status: 'False',
      reason: 'AsApproved',
      message: 'none',
      lastTransitionTime: time,
      observedGeneration: 3,
    },
  ],
};

export const fullApproval: PolicyApproval & { spec: Whole<ApprovalSpec> } = {
  apiVersion: resourceApiVersion,
  kind: 'PolicyApproval',
  metadata: { name: 'deployment-cart-1', namespace: 'default' },
  spec: {
    proposal: 'deployment-cart',
    digest: digest('b'),
    decision: 'Approve',
    reason: 'reviewed with the team',
    expiresAt: '2026-02-28T12:00:00+01:00',
    claim: { user: 'alice', time },
    stamp: {
      user: 'alice',
      groups: ['system:authenticated'],
      time,
      nonce: '6f0e3c1e-5d8b-4a51-9a3e-0d5a9d0f7c11',
      keyId: 'k1',
      signature: `${'A'.repeat(86)}==`,
    },
  },
};

export const fullApprovalStatus: Whole<NonNullable<PolicyApproval['status']>> = {
  counted: false,
  message: 'it is for another digest',
};

/** Every field of docs/profile.md. */
export const fullProfile = {
  apiVersion: resourceApiVersion,
  kind: 'SegmentationProfile',
  metadata: { name: 'default', namespace: 'default' },
  spec: {
    mode: 'enforce',
    cni: 'azure-cni/npm',
    learning: {
      bin: '5s',
      window: '7d',
      coverage: 0.5,
      bins: 3,
      weekdays: ['Mon'],
      loss: 0,
      startUps: false,
      cronJobs: true,
    },
    exemptNamespaces: ['kube-system'],
    external: {
      networks: [{ name: 'office', cidrs: ['192.0.2.0/24', '2001:db8::/32'] }],
      addedAddresses: 16,
      clientsBeforeWorld: 1,
    },
    clusterCidrs: { pods: ['10.244.0.0/16'], services: ['10.96.0.0/12'], nodes: ['198.51.100.0/24'] },
    accepted: [{ source: 'shop/web', destination: '*', port: 443, protocol: 'TCP', reason: 'asked for' }],
    refused: [{ source: '*', destination: '169.254.169.254', port: 80, protocol: 'TCP', reason: 'metadata' }],
    scanTargets: 3,
    jointPolicies: true,
    approvals: {
      required: 2,
      expiry: '12h',
      identity: 'Claimed',
      automatic: [
        { name: 'tighten', changes: ['Shrink'] },
        { name: 'lab', changes: ['New', 'Grow', 'Amend'], namespaceLabels: { 'example.com/stage': 'lab' } },
      ],
    },
    drift: 'Report',
    guard: { duration: '30m', deniedConnections: 2, unreadyPods: 1 },
    unusedAfter: '30d',
    closedNamespace: { propose: false, newWorkloads: 'Learn', learnFor: '2h' },
  },
} as const;

export const fullProfileStatus: Whole<ProfileStatus> = {
  observedGeneration: 1,
  controller: 'nanoseg-0',
  coverage: {
    pods: 10,
    isolatedIngress: 8,
    isolatedEgress: 7,
    open: [{ because: 'the workload has no policy yet', pods: 3 }],
  },
  sources: [{ name: 'hubble', state: 'Connected', message: 'flows arrive' }],
  streams: {
    server: 'redis.example.com:6379',
    memory: [{ usedBytes: 1_000_000, mostBytes: 2_000_000 }],
    shards: [{ shard: 0, holder: 'nanoseg-ingest-1', waiting: 3, savedAt: time }],
    members: [{ who: 'nanoseg-ingest-1', role: 'ingest', shards: 1, startedAt: time, problems: ['it is full'] }],
  },
  conditions: [
    {
      type: 'Valid',
      status: 'True',
      reason: 'Read',
      message: 'it can be used',
      lastTransitionTime: time,
      observedGeneration: 1,
    },
  ],
};
